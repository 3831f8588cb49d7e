"""Faults planted in the demonstration's sources: rows that arrive as a broken upstream would send them.

The environment variable `FAULTS` names a file; only the demonstration sets it. Without the variable, or without the
file, a source gives its rows as they are. The file is read at every call: a fault comes and goes while processes run.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

FAULTS = "MLOPS_DEMO_FAULTS"
KILOMETRES_A_MILE = 1.609344


@dataclass(frozen=True)
class UnitChange:
    """Values of one column arrive in another unit, within a window of event time.

    Parameters
    ----------
    column : str
        Whose values; they keep their type, as those of a system that rounds would.
    factor : float
        New units in one old unit.
    start, end : str
        ISO 8601 with a zone; ``start`` is included, ``end`` is not.
    """

    column: str
    factor: float
    start: str
    end: str

    def plant(self, file: Path) -> None:
        """Let every source that is told of ``file`` send its rows so from now on."""
        beside = file.with_suffix(".tmp")
        beside.write_text(json.dumps(asdict(self)))
        beside.replace(file)


def mend(file: Path) -> None:
    """Let the sources send their rows as they are again."""
    file.unlink(missing_ok=True)


def with_faults(rows: pa.Table, *, time: str, file: Path | None = None) -> pa.Table:
    """Return rows as they arrive.

    Parameters
    ----------
    rows : Table
        As they are in truth.
    time : str
        Column of event time.
    file : Path, optional
        Where a fault may be planted; default: what the variable `FAULTS` names.
    """
    named = os.environ.get(FAULTS)
    place = file or (Path(named) if named else None)
    if place is None or not place.exists():
        return rows
    return _changed(rows, UnitChange(**json.loads(place.read_text())), time)


def _changed(rows: pa.Table, fault: UnitChange, time: str) -> pa.Table:
    import pyarrow as pa
    from pyarrow import compute as pc

    moments = rows[time]
    start, end = (pa.scalar(datetime.fromisoformat(text), moments.type) for text in (fault.start, fault.end))
    hit = pc.and_(pc.greater_equal(moments, start), pc.less(moments, end))
    values = rows[fault.column]
    converted = pc.round(pc.multiply(pc.cast(values, pa.float64()), fault.factor))
    arrived = pc.if_else(hit, pc.cast(converted, values.type), values)
    return rows.set_column(rows.schema.get_field_index(fault.column), rows.schema.field(fault.column), arrived)
