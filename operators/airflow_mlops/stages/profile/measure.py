"""From the values of a column, some batches of them, to its profile; and from several profiles to one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ProfilesDiffer
from airflow_mlops.stages.kinds import kind_of
from airflow_mlops.stages.profile.column import MOST_VALUES, ColumnProfile
from airflow_mlops.stages.profile.digest import Digest
from airflow_mlops.stages.profile.distinct import estimate, smallest, smallest_of
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

    kind = values.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        if not pa.types.is_string(kind) or values.dictionary.null_count:
            values = values.cast(kind)
    found = ColumnProfile(name, str(kind), kind_of(kind), len(values), values.null_count)
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
        return _texts(found, values)
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
    found = replace(
        found,
        minimum=float(ordered[0]),
        maximum=float(ordered[-1]),
        is_whole=is_whole or _is_whole(ordered),
    )
    return _spread(found, ordered)


def _spread(found: ColumnProfile, ordered: np.ndarray) -> ColumnProfile:
    """Count ascending numbers, or digest them, and take the moments from that. The numbers are used up."""
    import numpy as np

    is_first = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    distinct = np.count_nonzero(is_first)
    if distinct <= MOST_VALUES:
        starts = np.flatnonzero(is_first)
        values, counts = ordered[starts], np.diff(starts, append=len(ordered))
        mean = _mean(values, counts)
        return replace(found, values=values, counts=counts, mean=mean, squares=_squares(values.copy(), mean, counts))
    different = ordered if distinct == len(ordered) else ordered[is_first]
    prints = smallest(different, np.array([], dtype=np.uint64))
    digest = Digest.of_sorted(ordered)
    mean = _mean(digest.means, digest.weights)
    return replace(found, digest=digest, smallest=prints, mean=mean, squares=_squares(ordered, mean))


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the mean, also where the sum of the values is beyond what a float holds."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.average(values, weights=weights))
    return mean if np.isfinite(mean) else float(np.average(values / 2**60, weights=weights) * 2**60)


def _squares(values: np.ndarray, mean: float, weights: np.ndarray | None = None) -> float:
    """Return the sum of squared distances from the mean; infinite where no float holds it. The values are used up."""
    import numpy as np

    with np.errstate(over="ignore"):
        values -= mean
        # Not np.dot: its library starts threads of its own, which wait in circles beside ours.
        np.square(values, out=values)
        if weights is not None:
            values *= weights
        return float(values.sum())


def _is_whole(values: np.ndarray) -> bool:
    """Ask some first: of what is not whole, hardly any column has a thousand values that are."""
    import numpy as np

    return all(bool((part == np.rint(part)).all()) for part in (values[:1000], values[1000:]))


def _texts(found: ColumnProfile, values: pa.Array) -> ColumnProfile:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    known = values.drop_null()
    counted: Counter[str] = Counter()
    if pa.types.is_dictionary(values.type):
        counts = np.bincount(np.from_dlpack(known.indices), minlength=len(known.dictionary)).tolist()
        # A dictionary may hold a text twice, or one that no row has.
        for text, count in zip(known.dictionary.to_pylist(), counts, strict=True):
            if count:
                counted[text] += count
        return _with_texts(found, counted)
    texts = pc.value_counts(known.cast(pa.string()))
    counted.update(dict(zip(texts.field(0).to_pylist(), texts.field(1).to_pylist(), strict=True)))
    return _with_texts(found, counted)


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


def distinct_numbers(several: Sequence[ColumnProfile]) -> float | None:
    """Estimate how many different numbers several profiles hold together, without the rest of a merge."""
    prints = _merged_prints([each for each in several if each.known])
    return None if prints is None else estimate(prints)


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
