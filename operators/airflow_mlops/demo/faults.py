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
    """Values of one column arrive in another unit from a moment on, whatever window is asked for.

    Parameters
    ----------
    column : str
        Whose values; they keep their type, as those of a system that rounds would.
    factor : float
        New units in one old unit.
    since : datetime
        With a zone; rows of earlier times arrive as they are.
    time : str, default="scheduled"
        Column with the event time.
    """

    column: str
    factor: float
    since: datetime
    time: str = "scheduled"

    def plant(self, file: Path) -> None:
        """Let every source that is told of ``file`` send its rows so from now on."""
        beside = file.with_suffix(".tmp")
        beside.write_text(json.dumps({**asdict(self), "since": self.since.isoformat()}))
        beside.replace(file)

    @classmethod
    def planted_in(cls, file: Path) -> UnitChange:
        """Read what is planted."""
        planted = json.loads(file.read_text())
        return cls(**{**planted, "since": datetime.fromisoformat(planted["since"])})


def mend(file: Path) -> None:
    """Let the sources send their rows as they are again."""
    file.unlink(missing_ok=True)


def with_faults(rows: pa.Table, *, file: Path | None = None) -> pa.Table:
    """Return rows as they arrive.

    Parameters
    ----------
    rows : Table
        As they are in truth.
    file : Path, optional
        Where a fault may be planted; default: what the variable `FAULTS` names.
    """
    named = os.environ.get(FAULTS)
    place = file or (Path(named) if named else None)
    if place is None or not place.exists():
        return rows
    return _changed(rows, UnitChange.planted_in(place))


def _changed(rows: pa.Table, fault: UnitChange) -> pa.Table:
    import pyarrow as pa
    from pyarrow import compute as pc

    values, times = rows[fault.column], rows[fault.time]
    changed = pc.cast(pc.round(pc.multiply(pc.cast(values, pa.float64()), fault.factor)), values.type)
    arrived = pc.if_else(pc.greater_equal(times, pa.scalar(fault.since, times.type)), changed, values)
    return rows.set_column(rows.schema.get_field_index(fault.column), rows.schema.field(fault.column), arrived)
