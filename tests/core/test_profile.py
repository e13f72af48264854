"""A board refuses what does not fit into it, and says what would."""

import re

import pytest

from edgecv.core.errors import InputError
from edgecv.core.profile import PeakMemory, Profile, check_flash, check_ram

BOARD = Profile(
    title="Board", core="M4", flash_bytes=50_000, ram_bytes=20_000, source="https://example.org"
)


def test_what_fits_is_taken_to_the_byte() -> None:
    check_flash("a.tflite", 50_000, BOARD)
    check_ram("a.tflite", PeakMemory(20_000, "conv"), BOARD)


@pytest.mark.parametrize("is_int8", [True, False])
def test_flash_names_the_missing_bytes_and_the_file_that_fits(is_int8: bool) -> None:
    with pytest.raises(InputError, match=re.escape("50,001 bytes of flash, 1 more")) as caught:
        check_flash("a.tflite", 50_001, BOARD, is_int8=is_int8)
    assert "--shrink 50KB" in caught.value.remedy
    assert ("--quantize int8" in caught.value.remedy) != is_int8


@pytest.mark.parametrize(
    ("peak", "remedy"),
    [
        # Of 36,000 bytes 4,000 are images: half of the channels leave 20,000.
        (PeakMemory(36_000, "conv_1", 4_000), "--shrink 0.25"),
        (PeakMemory(600_000, "conv_1", 19_000), "smaller images"),
        (PeakMemory(80_000, "conv_1", 4_000, is_float=True), "--quantize int8"),
        (PeakMemory(4 * 36_000, "conv_1", 4 * 4_000, is_float=True), "--shrink 0.25"),
        (PeakMemory(60_000, "conv_1", 30_000), "smaller images"),
    ],
)
def test_memory_names_the_layer_and_what_would_fit(peak: PeakMemory, remedy: str) -> None:
    with pytest.raises(InputError, match="while conv_1 runs") as caught:
        check_ram("a.tflite", peak, BOARD)
    assert remedy in caught.value.remedy
