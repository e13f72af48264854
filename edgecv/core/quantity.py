"""Quantities as people write them: 35KB, 98%, 2x, 50us."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

NUMBER_WITH_UNIT = re.compile(r"\s*(\d{1,15}\.?\d*|\.\d+)\s*([a-zA-Z%]*)\s*", re.ASCII)


@dataclass(frozen=True)
class Quantity:
    """A kind of number: its units with their factors, and the accepted notation."""

    units: Mapping[str, float]
    accepted: str
    is_whole: bool = False

    def parse(self, text: str) -> int | float:
        """Return a number in the unit of factor 1. Raises ValueError that shows the notation.

        >>> BYTES.parse("35KB"), BYTES.parse("2 kib"), FRACTION.parse("98%"), RATIO.parse("2x")
        (35000, 2048, 0.98, 2.0)
        """
        found = NUMBER_WITH_UNIT.fullmatch(text)
        if found is None or found[2].lower() not in self.units:
            raise ValueError(self.accepted)
        value = float(found[1]) * self.units[found[2].lower()]
        return round(value) if self.is_whole else value


class CountOrFraction(Quantity):
    """A whole number of items, or a fraction of all of them."""

    def parse(self, text: str) -> int | float:
        """Return an integer for a count, a float for a fraction.

        >>> IMAGES.parse("50"), IMAGES.parse("0.5%"), IMAGES.parse("0.01")
        (50, 0.005, 0.01)
        """
        return int(text) if re.fullmatch(r"\d{1,15}", text, re.ASCII) else super().parse(text)


SIZES = {
    "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30
}  # fmt: skip
TIMES = {"us": 1.0, "ms": 1e3}
FRACTIONS = {"": 1.0, "%": 0.01}

POINTS = Quantity({"": 1.0}, "points from 0 to 100, such as 0.5")
FRACTION = Quantity(FRACTIONS, "0.98 or 98%")
SMALL_FRACTION = Quantity(FRACTIONS, "0.02 or 2%")
IMAGES = CountOrFraction(FRACTIONS, "a number of images, or 0.01 or 1% of them")
BYTES = Quantity(SIZES, "35KB or 1.2MB (KB = 1000 bytes), 35KiB (KiB = 1024 bytes)", is_whole=True)
RATIO = Quantity({"": 1.0, "x": 1.0}, "2 or 2x")
DECIBELS = Quantity({"": 1.0, "db": 1.0}, "20 or 20dB")
MICROSECONDS = Quantity(TIMES, "50us or 1.5ms")
