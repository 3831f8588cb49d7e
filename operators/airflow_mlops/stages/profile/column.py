"""One column in some kilobytes: counted exactly as long as it has few values, else by sketches; any number merge."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.stages.profile.digest import Digest
from airflow_mlops.stages.profile.distinct import NUMBERS_ERROR, TEXTS_ERROR, estimate
from airflow_mlops.stages.profile.encoding import decoded, encoded

if TYPE_CHECKING:
    import numpy as np

    from airflow_mlops.stages.profile.texts import Texts

# Up to so many different values each is counted.
MOST_VALUES = 4096


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What is known of a column.

    Attributes
    ----------
    name, type : str
        The type in Arrow's words.
    kind : {"number", "boolean", "text", "time", "nothing", "other"}
        What it holds; a time is a number of microseconds since 1970 in UTC.
    rows, nulls : int
    nans : int
        Numbers that are not finite; they are left out of all that follows.
    minimum, maximum, mean : float or None
        Of numbers and times; None where there is no value.
    squares : float
        Sum of squared distances from the mean.
    is_whole : bool
        Whether all numbers are whole.
    values, counts : ndarray, or list of str or bool, and ndarray
        Each value, numbers ascending, texts the most frequent first, and how often it is there; None where there are
        more than 4,096, and for kinds without values.
    digest : Digest or None
        Of numbers and times with more values.
    smallest : ndarray or None
        Fingerprints by which the values of such a column are counted.
    texts : Texts or None
        Of texts with more values.
    distinct_known : int or None
        Number of different values where a database has counted them.
    """

    name: str
    type: str
    kind: str
    rows: int
    nulls: int
    nans: int = 0
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    squares: float = 0.0
    is_whole: bool = True
    values: Any = None
    counts: np.ndarray | None = None
    digest: Digest | None = None
    smallest: np.ndarray | None = None
    texts: Texts | None = None
    distinct_known: int | None = None
    is_sensitive: bool = False

    @property
    def known(self) -> int:
        """Rows with a value, and a finite one where it is a number."""
        return self.rows - self.nulls - self.nans

    @property
    def deviation(self) -> float | None:
        """Standard deviation, dividing by the number of values; None where its square is more than a float holds."""
        is_known = self.mean is not None and isfinite(self.squares)
        return float((self.squares / self.known) ** 0.5) if is_known else None

    @property
    def distinct(self) -> float | None:
        """How many different values; None where it is not known."""
        if self.counts is not None:
            return float(len(self.counts))
        if self.distinct_known is not None:
            return float(self.distinct_known)
        if self.smallest is not None:
            return estimate(self.smallest)
        return None if self.texts is None else self.texts.distinct

    @property
    def distinct_error(self) -> float:
        """Relative standard error of `distinct`; 0 where each value is counted."""
        if self.counts is not None or self.distinct_known is not None:
            return 0.0
        return NUMBERS_ERROR if self.smallest is not None else TEXTS_ERROR if self.texts is not None else 0.0

    @property
    def heads(self) -> list[tuple[Any, int, int]]:
        """Give the most frequent values with their counts, and by how much each count may be too high."""
        if self.texts is not None:
            return self.texts.heads
        if self.counts is None:
            return []
        values = self.values if isinstance(self.values, list) else self.values.tolist()
        pairs = zip(values, self.counts.tolist(), strict=True)
        return [(value, count, 0) for value, count in sorted(pairs, key=lambda pair: -pair[1])]

    @property
    def points(self) -> Digest | None:
        """Give numbers and times as weighted points, whether they are counted or digested."""
        if self.kind not in ("number", "time", "boolean") or not self.known:
            return None
        if self.digest is not None or self.counts is None:
            return self.digest
        return Digest(_numeric(self.values), self.counts)

    def quantiles(self, shares: list[float]) -> list[float]:
        """Return the values below which these shares lie; nothing for what is not a number or a time."""
        import numpy as np

        if self.points is None or self.digest is not None:
            return self.digest.quantiles(shares) if self.digest else []
        # What is counted is not smoothed: a quantile of grades is a grade.
        until = np.cumsum(self.points.weights)
        places = np.searchsorted(until, np.multiply(shares, until[-1]) * (1 - 1e-12))
        return [float(value) for value in self.points.means[places]]

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        plain = {name: value for name, value in _fields(self).items() if name not in _ENCODED}
        if self.counts is not None:
            is_listed = self.kind in ("text", "boolean")
            plain["values"] = list(self.values) if is_listed else encoded(self.values, "<f8")
            plain["counts"] = encoded(self.counts, "<i8")
        if self.smallest is not None:
            plain["smallest"] = encoded(self.smallest, "<u8", is_random=True)
        for name in ("digest", "texts"):
            if getattr(self, name) is not None:
                plain[name] = getattr(self, name).to_dict()
        return plain

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Read back what `to_dict` gave."""
        from airflow_mlops.stages.profile.texts import Texts

        facts = dict(stored)
        if isinstance(facts.get("values"), str):
            facts["values"] = decoded(facts["values"], "<f8")
        for name, kind in (("counts", "<i8"), ("smallest", "<u8")):
            if name in facts:
                facts[name] = decoded(facts[name], kind)
        for name, made in (("digest", Digest), ("texts", Texts)):
            if name in facts:
                facts[name] = made.from_dict(facts[name])
        return cls(**facts)


_ENCODED = ("values", "counts", "digest", "smallest", "texts")


def _fields(column: ColumnProfile) -> dict[str, Any]:
    return {name: getattr(column, name) for name in column.__dataclass_fields__}


def _numeric(values: Any) -> np.ndarray:
    import numpy as np

    return np.asarray(values, dtype=float)
