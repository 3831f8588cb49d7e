"""Facts of a snapshot of any size: those of an even sample of its rows, mended by what is known of all of them.

Two passes, a batch at a time. The profile has measured each column; this one keeps short runs of rows that lie evenly
in the snapshot, and of every row the time and two fingerprints, 24 bytes: one of its features, by which old rows are
known again, and one of its key, by which repeated ones are.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_json
from airflow_mlops.stages.validate.facts import MAX_VALUES, QUANTILES
from airflow_mlops.stages.validate.rows_facts import FINGERPRINTS, count_windows, fingerprints, ordered, share_repeated
from airflow_mlops.stages.validate.validate import facts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.profile import ColumnProfile, Profile

# Rows are kept in runs, so that how a column goes from row to row stays what it is.
RUN = 100


def look(
    batches: Iterable[pa.RecordBatch], profile: Profile, spec: ModelSpec, *, every: int | None = None
) -> tuple[pa.Table, dict[str, Any]]:
    """Sample rows of any number, and describe all of them.

    Parameters
    ----------
    batches : iterable of RecordBatch
        All columns of the rows.
    profile : Profile
        Of the same rows.
    spec : ModelSpec
        With ``validate.check_rows``.
    every : int, optional
        Of so many runs of 100 rows the first is kept; default: so many that ``validate.check_rows`` rows are.

    Returns
    -------
    table : Table
        The rows that are kept.
    facts : dict
        As from `facts_of`, and ``every``. Counts are those of the sample, so that they go together; shares
        of nulls, ranges, quantiles, rows a window, the longest silence, repeated rows and fingerprints are of all rows.
    """
    every = every or -(-profile.rows // spec.validate_.check_rows)
    known_by = [name for name in spec.features.columns if name not in spec.data.sensitive]
    kept, moments, features, keys = [], [], [], []
    position = 0
    for batch in batches:
        rows = _table(batch)
        kept.append(rows.filter(_is_kept(position, rows.num_rows, every)))
        position += rows.num_rows
        times, order = ordered(rows, spec.data.time)
        moments.append(times)
        features.append(fingerprints(rows, known_by or rows.column_names)[order])
        keys.append(fingerprints(rows, spec.data.key or rows.column_names))
    sample = _join(kept)
    facts = facts_of(sample, spec)
    facts |= {"every": every, "content": _content(profile, spec)}
    facts |= _of_all_rows(_joined(moments), _joined(features), _joined(keys), spec)
    for name, column in profile.columns.items():
        facts["columns"][name] |= _of_column(column, facts["columns"][name], sample.num_rows / profile.rows)
        facts["columns"][name].pop("longest", None)  # the sample's own runs of rows end it
    return sample, facts


def _is_kept(position: int, rows: int, every: int) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    return pa.array(np.arange(position, position + rows) // RUN % every == 0)


def among_all(positions: Iterable[int], every: int) -> tuple[int, ...]:
    """Turn positions in a sample, of each so-manyth run the first, into positions among all rows."""
    return tuple(place // RUN * every * RUN + place % RUN for place in positions)


def _table(batch: pa.RecordBatch) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches([batch])


def _join(kept: list[pa.Table]) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables(kept, promote_options="permissive").combine_chunks()


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    import numpy as np

    return np.concatenate(parts)


def _content(profile: Profile, spec: ModelSpec) -> str:
    """Name the rows but for their times: by the profiles of all other columns, for no table of them is in memory."""
    columns = [column.to_dict() for name, column in profile.columns.items() if name != spec.data.time]
    return digest_json(columns)


def _of_all_rows(moments: np.ndarray, features: np.ndarray, keys: np.ndarray, spec: ModelSpec) -> dict[str, Any]:
    import numpy as np

    if not len(moments):
        return {}
    order = np.argsort(moments, kind="stable")
    moments, features = moments[order], features[order]
    kept = _distinct(features)[:FINGERPRINTS]
    return {
        "start": _moment(moments[0]),
        "end": _moment(moments[-1]),
        "windows": count_windows(moments, spec.monitor_window),
        "silence_s": float(np.diff(moments).max() / 1e6) if len(moments) > 1 else None,
        "sketch": {"kept": b64encode(kept.astype("<u8").tobytes()).decode(), "is_all": len(kept) < FINGERPRINTS},
        "repeats": share_repeated(features),
        "duplicates": 1 - len(_distinct(keys)) / len(keys),
    }


def _distinct(prints: np.ndarray) -> np.ndarray:
    """Return different fingerprints, ascending; by sorting, which takes no other memory."""
    import numpy as np

    ordered_prints = np.sort(prints)
    is_first = np.ones(len(ordered_prints), dtype=bool)
    is_first[1:] = ordered_prints[1:] != ordered_prints[:-1]
    return ordered_prints[is_first]


def _moment(micros: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))).isoformat()


def _of_column(column: ColumnProfile, sampled: dict[str, Any], share: float) -> dict[str, Any]:
    """Say what the profile knows better than the sample, counts as of the sample."""
    found: dict[str, Any] = {"nulls": round((column.nulls + column.nans) * share)}
    if column.is_sensitive:
        return found
    if column.kind == "number" and column.mean is not None:
        found |= {
            "min": column.minimum,
            "max": column.maximum,
            "mean": column.mean,
            "is_whole": column.is_whole,
            "quantiles": column.quantiles(list(QUANTILES)),
        }
    elif column.kind == "text" and column.counts is not None and len(column.counts) <= MAX_VALUES:
        values = {text: max(1, round(count * share)) for text, count, _ in column.heads}
        found |= {"values": values, "distinct": len(values)}
    return found
