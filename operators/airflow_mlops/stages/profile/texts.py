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
# So many texts fit into it without any error.
MOST_FREQUENT = 3 * 2**LOG_FREQUENT // 4
# So many of them are shown.
HEADS = 100


@dataclass(frozen=True, slots=True)
class Texts:
    """A HyperLogLog and a table of frequent texts, as DataSketches serialises them.

    There are no ``registers`` where a database has counted the texts and given the frequent ones alone.

    References
    ----------
    Apache DataSketches documentation: HLL sketch, frequent items sketch.
    """

    registers: bytes | None
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
    def of_frequent(cls, counted: Iterable[tuple[str, int]]) -> Self:
        """Keep the most frequent texts, at most `MOST_FREQUENT`, of which somebody else knows that they are."""
        from datasketches import frequent_strings_sketch

        frequent = frequent_strings_sketch(LOG_FREQUENT)
        for text, count in counted:
            frequent.update(text, count)
        return cls(None, frequent.serialize())

    @classmethod
    def merged(cls, several: Sequence[Texts]) -> Self:
        """Put several together."""
        from datasketches import frequent_strings_sketch, hll_sketch, hll_union, tgt_hll_type

        frequent = frequent_strings_sketch(LOG_FREQUENT)
        for each in several:
            frequent.merge(frequent_strings_sketch.deserialize(each.frequent))
        known = [each.registers for each in several if each.registers is not None]
        if len(known) < len(several):
            return cls(None, frequent.serialize())
        union = hll_union(LOG_REGISTERS)
        for registers in known:
            union.update(hll_sketch.deserialize(registers))
        return cls(union.get_result(tgt_hll_type.HLL_8).serialize_compact(), frequent.serialize())

    @property
    def distinct(self) -> float | None:
        """Estimate how many different texts there are; None without registers."""
        from datasketches import hll_sketch

        if self.registers is None:
            return None
        return float(hll_sketch.deserialize(self.registers).get_estimate())

    @property
    def heads(self) -> list[tuple[str, int, int]]:
        """Give the most frequent texts, each with its count and by how much that may be too high."""
        from datasketches import frequent_items_error_type, frequent_strings_sketch

        sketch = frequent_strings_sketch.deserialize(self.frequent)
        found = sketch.get_frequent_items(frequent_items_error_type.NO_FALSE_POSITIVES)
        return [(text, int(high), int(high - low)) for text, _, low, high in found[:HEADS]]

    def to_dict(self) -> dict[str, str | None]:
        """Turn into JSON."""
        registers = None if self.registers is None else b64encode(self.registers).decode()
        return {"registers": registers, "frequent": b64encode(self.frequent).decode()}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Read back what `to_dict` gave."""
        registers = None if stored["registers"] is None else b64decode(stored["registers"])
        return cls(registers, b64decode(stored["frequent"]))
