"""The same measurement in another unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Conversion:
    """``factor`` times a value, plus ``offset``, is the same measurement in another unit."""

    name: str
    factor: float
    offset: float = 0.0

    def of(self, values: np.ndarray) -> np.ndarray:
        """Convert values."""
        return self.factor * values + self.offset

    def times(self, factor: float) -> Conversion:
        """Give a conversion whose results are so many times as large."""
        return Conversion(self.name, self.factor * factor, self.offset * factor)

    def reversed(self) -> Conversion:
        """Give the way back."""
        before, after = self.name.split(" to ")
        return Conversion(f"{after} to {before}", 1 / self.factor, -self.offset / self.factor)


_ONE_WAY = (
    Conversion("miles to kilometres", 1.609344),
    Conversion("feet to metres", 0.3048),
    Conversion("inches to centimetres", 2.54),
    Conversion("inches to millimetres", 25.4),
    Conversion("nautical miles to kilometres", 1.852),
    Conversion("nautical miles to miles", 1.1507794),
    Conversion("metres a second to kilometres an hour", 3.6),
    Conversion("miles an hour to metres a second", 0.44704),
    Conversion("knots to metres a second", 0.5144444),
    Conversion("pounds to kilograms", 0.45359237),
    Conversion("ounces to grams", 28.349523),
    Conversion("gallons to litres", 3.7854118),
    Conversion("inches of mercury to hectopascals", 33.863886),
    Conversion("millimetres of mercury to hectopascals", 1.3332239),
    Conversion("pounds a square inch to kilopascals", 6.8947573),
    Conversion("kilocalories to kilojoules", 4.184),
    Conversion("hours to minutes", 60.0),
    Conversion("hours to seconds", 3600.0),
    Conversion("days to hours", 24.0),
    Conversion("weeks to days", 7.0),
    Conversion("centimetres to millimetres", 10.0),
    Conversion("shares to percent", 100.0),
    Conversion("degrees Celsius to degrees Fahrenheit", 1.8, 32.0),
    Conversion("degrees Celsius to kelvin", 1.0, 273.15),
)
SAME = Conversion("itself", 1.0)
CONVERSIONS = tuple(each for one in _ONE_WAY for each in (one, one.reversed()))
# How near a factor is to that of the conversion it is named after.
NAMED = 0.05


def named_after(factor: float) -> Conversion | None:
    """Find the conversion with about this factor, where one is within a twentieth."""
    near = [one for one in CONVERSIONS if not one.offset and abs(factor / one.factor - 1) <= NAMED]
    return min(near, key=lambda one: abs(factor / one.factor - 1), default=None)
