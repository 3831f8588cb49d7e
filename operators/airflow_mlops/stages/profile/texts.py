"""Texts with too many values to count each: how many there are, and which are frequent. Both by DataSketches."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.stages.profile.distinct import LOG_REGISTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Size of the table of frequent texts: a count may be too high by 3.5 / 2**12 of all rows.
LOG_FREQUENT = 12
# So many of them are shown.
HEADS = 100


@dataclass(frozen=True, slots=True)
class Texts:
    """A HyperLogLog and a table of frequent texts, as DataSketches serialises them.

    References
    ----------
    Apache DataSketches documentation: HLL sketch, frequent items sketch.
    """

    registers: bytes
    frequent: bytes

    @classmethod
    def of(cls, counted: Iterable[tuple[str, int]]) -> Self:
        """Sketch distinct texts, each with its count."""
        from datasketches import frequent_strings_sketch, hll_sketch, tgt_hll_type

        registers, frequent = hll_sketch(LOG_REGISTERS, tgt_hll_type.HLL_8), frequent_strings_sketch(LOG_FREQUENT)
        for text, count in counted:
            registers.update(text)
            frequent.update(text, count)
        return cls(registers.serialize_compact(), frequent.serialize())

    @classmethod
    def merged(cls, several: Sequence[Texts]) -> Self:
        """Put several together."""
        from datasketches import frequent_strings_sketch, hll_sketch, hll_union, tgt_hll_type

        union, frequent = hll_union(LOG_REGISTERS), frequent_strings_sketch(LOG_FREQUENT)
        for each in several:
            union.update(hll_sketch.deserialize(each.registers))
            frequent.merge(frequent_strings_sketch.deserialize(each.frequent))
        return cls(union.get_result(tgt_hll_type.HLL_8).serialize_compact(), frequent.serialize())

    @property
    def distinct(self) -> float:
        """Estimate how many different texts there are."""
        from datasketches import hll_sketch

        return float(hll_sketch.deserialize(self.registers).get_estimate())

    @property
    def heads(self) -> list[tuple[str, int, int]]:
        """Give the most frequent texts, each with its count and by how much that may be too high."""
        from datasketches import frequent_items_error_type, frequent_strings_sketch

        sketch = frequent_strings_sketch.deserialize(self.frequent)
        found = sketch.get_frequent_items(frequent_items_error_type.NO_FALSE_POSITIVES)
        return [(text, int(high), int(high - low)) for text, _, low, high in found[:HEADS]]

    def to_dict(self) -> dict[str, str]:
        """Turn into JSON."""
        return {"registers": b64encode(self.registers).decode(), "frequent": b64encode(self.frequent).decode()}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Read back what `to_dict` gave."""
        return cls(b64decode(stored["registers"]), b64decode(stored["frequent"]))
