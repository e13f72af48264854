"""A board that files run on, and the check that a file fits into its memories."""

import math
from dataclasses import dataclass

from pydantic import Field

from edgecv.core.errors import InputError
from edgecv.core.options import Options

LEAST_WIDTH = 0.125
"""The smallest part of its channels that `shrink` leaves a layer."""


class Profile(Options):
    """A board: its memories, and where these figures stand."""

    title: str
    """The name that its maker gives it."""
    core: str
    """Its processor: Cortex-M4F, 64 MHz."""
    flash_bytes: int = Field(ge=1)
    """Bytes of flash, or of other storage, that a program and its files lie in."""
    ram_bytes: int = Field(ge=1)
    """Bytes of memory that can be written while a program runs."""
    source: str
    """Address of a page with these figures."""


@dataclass(frozen=True)
class PeakMemory:
    """The operator during which most bytes of activations live."""

    bytes: int
    operator: str
    """Name of the operator."""
    image_bytes: int = 0
    """Bytes of the model's inputs among them, which a narrower model keeps."""
    is_float: bool = False
    """True if they are float32: those of an int8 file are a quarter."""


def check_flash(where: str, needed_bytes: int, profile: Profile, *, is_int8: bool = True) -> None:
    """Raise InputError where a file, or a program with it, is larger than the board's flash."""
    most = profile.flash_bytes
    if needed_bytes > most:
        remedy = f"--shrink {most // 1000}KB asks for an int8 file that fits"
        raise InputError(
            where,
            f"takes {needed_bytes:,} bytes of flash, {needed_bytes - most:,} more than"
            f" {profile.title} has",
            accepted=f"{most:,} bytes or fewer",
            remedy=f"edgecv compress {'' if is_int8 else '--quantize int8 '}{remedy}",
        )


def check_ram(where: str, peak: PeakMemory, profile: Profile) -> None:
    """Raise InputError where the activations of a file take more than the board's memory."""
    most = profile.ram_bytes
    if peak.bytes > most:
        raise InputError(
            where,
            f"takes {peak.bytes:,} bytes of memory while {peak.operator} runs,"
            f" {peak.bytes - most:,} more than {profile.title} has",
            accepted=f"{most:,} bytes or fewer",
            remedy=_narrower(peak, most),
        )


def _narrower(peak: PeakMemory, most: int) -> str:
    """Return what makes the peak fit: memory goes with the channels, computation with their square.

    >>> _narrower(PeakMemory(1000, "conv", 200), 600)
    'edgecv compress --shrink 0.25 would about fit'
    """
    if peak.is_float:
        if peak.bytes <= 4 * most:
            return "edgecv compress --quantize int8 takes a quarter of it"
        peak = PeakMemory(-(-peak.bytes // 4), peak.operator, peak.image_bytes // 4)
    width = (most - peak.image_bytes) / max(1, peak.bytes - peak.image_bytes)
    kept = math.floor(100 * width * width) / 100
    if width < LEAST_WIDTH or not kept:
        return "take smaller images: no narrower model fits"
    return f"edgecv compress --shrink {kept:g} would about fit"
