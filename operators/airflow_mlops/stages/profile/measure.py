"""From the values of a column, some batches of them, to its profile; and from several profiles to one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ProfilesDiffer
from airflow_mlops.stages.kinds import kind_of
from airflow_mlops.stages.profile.column import MOST_VALUES, ColumnProfile
from airflow_mlops.stages.profile.digest import Digest
from airflow_mlops.stages.profile.distinct import smallest, smallest_of
from airflow_mlops.stages.profile.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa


def measure(name: str, values: pa.Array, *, is_sensitive: bool = False) -> ColumnProfile:
    """Profile the values of one column that fit into memory.

    Parameters
    ----------
    name : str
        Of the column.
    values : Array
        Its values. Not modified.
    is_sensitive : bool, default=False
        Only type and nulls are kept.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    found = ColumnProfile(name, str(values.type), kind_of(values.type), len(values), values.null_count)
    if is_sensitive:
        return replace(found, is_sensitive=True)
    if found.kind == "time":
        # Times of day and lengths of time are no points on a line of dates.
        if not (pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)):
            return replace(found, kind="other")
        values = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    if found.kind in ("number", "time"):
        return _numbers(found, values)
    if found.kind == "boolean":
        is_true = int(values.true_count)
        pairs = [(value, count) for value, count in ((False, found.known - is_true), (True, is_true)) if count]
        return replace(found, values=[value for value, _ in pairs], counts=_counts([count for _, count in pairs]))
    if found.kind == "text":
        return _texts(found, values.cast(pa.string()))
    return found


def _numbers(found: ColumnProfile, values: pa.Array) -> ColumnProfile:
    import numpy as np
    import pyarrow as pa

    is_whole = pa.types.is_integer(values.type)
    # Not by `to_numpy`, which imports pandas.
    known = np.from_dlpack(values.drop_null().cast(pa.float64(), safe=False))
    ordered = np.sort(known)
    if len(ordered) and not np.isfinite(ordered[[0, -1]]).all():
        ordered = ordered[np.isfinite(ordered)]
    found = replace(found, nans=len(known) - len(ordered))
    if not len(ordered):
        return replace(found, values=ordered, counts=_counts([]))
    mean = _mean(ordered)
    moments = replace(
        found,
        minimum=float(ordered[0]),
        maximum=float(ordered[-1]),
        mean=mean,
        squares=_squares(ordered, mean),
        is_whole=is_whole or _is_whole(ordered),
    )
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    if len(starts) <= MOST_VALUES:
        return replace(moments, values=ordered[starts], counts=np.diff(starts, append=len(ordered)))
    prints = smallest(ordered[starts], np.array([], dtype=np.uint64))
    return replace(moments, digest=Digest.of_sorted(ordered), smallest=prints)


def _mean(values: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the mean, also where the sum of the values is beyond what a float holds."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.average(values, weights=weights))
    return mean if np.isfinite(mean) else float(np.average(values / 2**60, weights=weights) * 2**60)


def _squares(values: np.ndarray, mean: float) -> float:
    """Return the sum of squared distances from the mean; infinite where no float holds it."""
    import numpy as np

    with np.errstate(over="ignore"):
        apart = values - mean
        # Not np.dot: its library starts threads of its own, which wait in circles beside ours.
        return float(np.square(apart, out=apart).sum())


def _is_whole(values: np.ndarray) -> bool:
    """Ask some first: of what is not whole, hardly any column has a thousand values that are."""
    import numpy as np

    return all(bool((part == np.rint(part)).all()) for part in (values[:1000], values[1000:]))


def _texts(found: ColumnProfile, values: pa.Array) -> ColumnProfile:
    import pyarrow.compute as pc

    counted = pc.value_counts(values.drop_null())
    pairs = zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True)
    return _with_texts(found, Counter(dict(pairs)))


def _with_texts(found: ColumnProfile, counted: Counter[str]) -> ColumnProfile:
    if len(counted) > MOST_VALUES:
        return replace(found, values=None, counts=None, texts=Texts.of(counted.items()))
    # By text where counts are equal: the same rows in another order are the same profile.
    pairs = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return replace(found, values=[text for text, _ in pairs], counts=_counts([count for _, count in pairs]))


def _counts(counts: Sequence[int]) -> np.ndarray:
    import numpy as np

    return np.asarray(counts, dtype=np.int64)


# Several profiles of one column


def merged(several: Sequence[ColumnProfile]) -> ColumnProfile:
    """Put profiles of one column together.

    Raises
    ------
    ProfilesDiffer
        One holds text where another holds numbers.
    """
    typed = [each for each in several if each.kind != "nothing"] or list(several)
    kinds = sorted({each.kind for each in typed})
    if len(kinds) > 1:
        raise ProfilesDiffer(
            f"column {several[0].name!r} holds {' in one part and '.join(kinds)} in another; profile these rows apart, "
            "or write the column with one type."
        )
    found = ColumnProfile(
        several[0].name,
        typed[0].type if len({each.type for each in typed}) == 1 else _widest(typed),
        kinds[0],
        sum(each.rows for each in several),
        sum(each.nulls for each in several),
        sum(each.nans for each in several),
        is_sensitive=any(each.is_sensitive for each in several),
    )
    if found.is_sensitive:
        return found
    if found.kind == "text":
        return _merged_texts(found, typed)
    if found.kind == "boolean":
        counted = _counted(typed)
        values = sorted(counted)
        return replace(found, values=values, counts=_counts([counted[value] for value in values]))
    return _merged_numbers(found, [each for each in typed if each.known]) if found.kind in ("number", "time") else found


def _widest(several: Sequence[ColumnProfile]) -> str:
    return "double" if several[0].kind == "number" else several[0].type


def _counted(several: Sequence[ColumnProfile]) -> Counter[Any]:
    counted: Counter[Any] = Counter()
    for each in several:
        counted.update(dict(zip(each.values, each.counts.tolist() if each.counts is not None else (), strict=True)))
    return counted


def _merged_texts(found: ColumnProfile, several: Sequence[ColumnProfile]) -> ColumnProfile:
    if all(each.texts is None for each in several):
        return _with_texts(found, _counted(several))
    sketched = [each.texts or Texts.of(_counted([each]).items()) for each in several]
    return replace(found, texts=Texts.merged(sketched))


def _merged_numbers(found: ColumnProfile, several: Sequence[ColumnProfile]) -> ColumnProfile:
    import numpy as np

    if not several:
        return replace(found, values=np.array([]), counts=_counts([]))
    rows = np.array([each.known for each in several])
    means = np.array([each.mean for each in several])
    mean = _mean(means, rows)
    with np.errstate(over="ignore"):
        squares = float(sum(each.squares for each in several) + (rows * (means - mean) ** 2).sum())
    moments = replace(
        found,
        minimum=min(each.minimum for each in several if each.minimum is not None),
        maximum=max(each.maximum for each in several if each.maximum is not None),
        mean=mean,
        squares=squares,
        is_whole=all(each.is_whole for each in several),
    )
    if all(each.counts is not None for each in several):
        values, places = np.unique(np.concatenate([each.values for each in several]), return_inverse=True)
        weights = np.concatenate([each.counts for each in several])
        counts = np.bincount(places, weights=weights, minlength=len(values)).astype(np.int64)
        if len(values) <= MOST_VALUES:
            return replace(moments, values=values, counts=counts)
        none = np.array([], dtype=np.uint64)
        return replace(moments, digest=Digest.of_counts(values, counts), smallest=smallest(values, none))
    digest = Digest.merged([each.points for each in several if each.points is not None])
    return replace(moments, digest=digest, smallest=_merged_prints(several))


def _merged_prints(several: Sequence[ColumnProfile]) -> np.ndarray | None:
    """Put fingerprints together; None where a part, from a database, has none."""
    import numpy as np

    none = np.array([], dtype=np.uint64)
    prints = [
        smallest(np.asarray(each.values, dtype=float), none) if each.counts is not None else each.smallest
        for each in several
    ]
    known = [each for each in prints if each is not None]
    return smallest_of(known) if len(known) == len(prints) else None
