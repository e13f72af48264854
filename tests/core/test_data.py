"""Named outputs: as many images in each, and one name where there is one."""

import numpy as np
import pytest

from edgecv.core.data import Outputs

pytestmark = pytest.mark.quick

ROWS = np.zeros((3, 2), np.float32)


def test_one_output_is_the_common_case() -> None:
    outputs = Outputs.one(ROWS, "scores")
    assert outputs.only is ROWS
    assert (list(outputs.arrays), len(outputs)) == (["scores"], 3)


def test_several_outputs_have_names_and_no_only_one() -> None:
    outputs = Outputs(
        {"box": np.zeros((3, 4), np.float32), "mask": np.zeros((3, 8, 8), np.float32)}
    )
    assert len(outputs) == 3
    with pytest.raises(ValueError, match="2 outputs: box, mask"):
        _ = outputs.only


@pytest.mark.parametrize("arrays", [{}, {"a": ROWS, "b": ROWS[:2]}])
def test_outputs_of_different_images_are_none(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="outputs of"):
        Outputs(arrays)
