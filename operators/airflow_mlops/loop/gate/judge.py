"""May a challenger replace the champion? One paired bootstrap on rows that neither has seen.

Every model answers for the same rows, so what is resampled is a row's difference in loss, and most of what makes a row
hard cancels out. Rows of one day share their weather, their campaign, their outage; where blocks are given, whole
blocks are resampled, and a hundred rows of one bad day count as one piece of evidence.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.errors import GateMisuse
from airflow_mlops.spec.gate_sections import FEWEST_BLOCKS

if TYPE_CHECKING:
    import numpy as np

# Resamples are drawn in pieces of about this many numbers, 32 MB, so that memory does not grow with rows.
_PIECE = 4_000_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """The challenger against one opponent on the same rows.

    ``difference`` is the challenger's mean loss minus the opponent's, with a lower and an upper bound, each one-sided.
    ``excess_bound`` is the upper bound of what was tested: the challenger's mean loss minus ``1 + margin`` times the
    opponent's.
    """

    opponent: Literal["baseline", "champion"]
    challenger_loss: float
    opponent_loss: float
    difference: float
    low: float
    high: float
    margin: float
    excess_bound: float
    passed: bool


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What the gate decided, and on what evidence.

    ``reasons`` are sentences, one a comparison and one a further cause. ``n`` counts rows, ``units`` what was
    resampled: blocks, or rows where ``blocked`` is False.
    """

    verdict: Literal["pass", "fail", "not enough labels"]
    reasons: tuple[str, ...]
    metric: str
    n: int
    units: int
    blocked: bool
    resamples: int
    confidence: float
    comparisons: tuple[Comparison, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object."""
        return asdict(self)


def judge(
    challenger: np.ndarray,
    *,
    baseline: np.ndarray,
    champion: np.ndarray | None = None,
    blocks: np.ndarray | None = None,
    metric: str = "loss",
    margin: float = 0.01,
    confidence: float = 0.95,
    resamples: int = 1000,
    min_rows: int = 200,
    seed: int = 0,
) -> GateVerdict:
    """Compare a challenger's loss with a baseline's and a champion's on the same rows.

    The challenger passes when its mean loss is below the baseline's, and not above ``1 + margin`` times the champion's,
    each at one-sided ``confidence``. A first version has no champion to be compared with.

    Parameters
    ----------
    challenger, baseline, champion : ndarray of shape (n_rows,)
        Loss of each row, lower is better, in the same order.
    blocks : ndarray of shape (n_rows,), optional
        Label of the block each row belongs to, such as its day. With fewer than 5 blocks the challenger is refused.
        None takes rows as independent of each other.
    metric : str
        Name of the loss, for the sentences.
    margin : float, default=0.01
        Relative increase over the champion's loss that still counts as not worse.
    confidence : float, default=0.95
        Of each bound, one-sided.
    resamples : int, default=1000
        Of the bootstrap.
    min_rows : int, default=200
        With fewer rows the challenger is refused.
    seed : int
        The same seed gives the same verdict.

    Returns
    -------
    GateVerdict
        Never an error for a bad model: too few rows or blocks, or a loss that is not finite, refuses.

    Raises
    ------
    GateMisuse
        The arrays differ in length, or an opponent's loss is not finite.

    Notes
    -----
    The bounds are those of the studentized bootstrap of a mean (or of a ratio of sums, where blocks differ in size):
    the resampled differences are divided by their own standard error. Plain percentiles are too narrow for the handful
    of days a holdout has.

    References
    ----------
    Efron, Tibshirani (1993), An Introduction to the Bootstrap, section 12.5 (bootstrap-t).
    Cameron, Gelbach, Miller (2008), Bootstrap-Based Improvements for Inference with Clustered Errors, Review of
    Economics and Statistics 90(3): resampling whole clusters, studentized.
    Piaggio et al. (2012), Reporting of Noninferiority and Equivalence Randomized Trials, JAMA 308(24): why "not worse"
    needs a margin and a one-sided bound.
    """
    import numpy as np

    _require_same_rows(challenger, baseline, champion, blocks)
    units = _units(len(challenger), blocks)
    count = int(units.max()) + 1 if len(units) else 0
    facts: dict[str, Any] = {
        "metric": metric,
        "n": len(challenger),
        "units": count,
        "blocked": blocks is not None,
        "resamples": resamples,
        "confidence": confidence,
    }
    if fault := _unfit(challenger):
        return GateVerdict("fail", (fault,), **facts)
    if lacking := _too_few_rows(len(challenger), min_rows) or _too_few(count, is_block=blocks is not None):
        return GateVerdict("not enough labels", (lacking,), **facts)

    opponents = [("baseline", baseline, 0.0)] + ([] if champion is None else [("champion", champion, margin)])
    plain = [challenger - loss for _, loss, _ in opponents]
    tested = [challenger - (1 + allowed) * loss for _, loss, allowed in opponents]
    bounds = _bounds(np.column_stack(plain + tested), units, confidence, resamples, np.random.default_rng(seed))
    comparisons = tuple(
        _comparison(name, challenger, loss, allowed, bounds[index], bounds[len(opponents) + index])
        for index, (name, loss, allowed) in enumerate(opponents)
    )
    reasons = [_sentence(comparison, metric, confidence) for comparison in comparisons]
    passed = all(comparison.passed for comparison in comparisons)
    return GateVerdict("pass" if passed else "fail", tuple(reasons), comparisons=comparisons, **facts)


def _require_same_rows(challenger: np.ndarray, *others: np.ndarray | None) -> None:
    import numpy as np

    lengths = {len(challenger), *(len(other) for other in others if other is not None)}
    if len(lengths) > 1:
        raise GateMisuse(
            f"losses of {', '.join(map(str, sorted(lengths)))} rows were compared; give all of them the same rows."
        )
    for losses in others[:2]:
        if losses is not None and not np.isfinite(losses).all():
            raise GateMisuse(
                "an opponent's loss is not finite, so nothing can be compared with it; leave it out and say so."
            )


def _units(rows: int, blocks: np.ndarray | None) -> np.ndarray:
    """Give each row the number of what it is resampled with: its block, or itself."""
    import numpy as np

    return np.arange(rows) if blocks is None else np.unique(blocks, return_inverse=True)[1]


def _too_few_rows(rows: int, min_rows: int) -> str | None:
    if rows >= min_rows:
        return None
    return f"{rows} held-out rows are fewer than the {min_rows} the gate needs (evaluate.gate.min_rows)"


def _unfit(challenger: np.ndarray) -> str | None:
    import numpy as np

    broken = int((~np.isfinite(challenger)).sum())
    return f"the challenger's loss is not finite on {broken} of {len(challenger)} rows" if broken else None


def _too_few(units: int, *, is_block: bool) -> str | None:
    if not is_block or units >= FEWEST_BLOCKS:
        return None
    found = f"{units} {'block' if units == 1 else 'blocks'}"
    return (
        f"the held-out rows lie in {found} of time, and fewer than {FEWEST_BLOCKS} say nothing of how much blocks "
        "differ; lengthen evaluate.holdout, or shorten evaluate.gate.block"
    )


def _bounds(
    differences: np.ndarray, units: np.ndarray, confidence: float, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Bound the mean of each column from below and above by one studentized bootstrap for all of them.

    Parameters
    ----------
    differences : ndarray of shape (n_rows, n_columns)
        What to bound.
    units : ndarray of shape (n_rows,)
        What each row is resampled with, 0 to n_units - 1.

    Returns
    -------
    ndarray of shape (n_columns, 2)
    """
    import numpy as np

    sizes = np.bincount(units).astype("float64")
    mean = differences.mean(axis=0)
    # A unit's residual is what it adds to the total beyond what its size explains.
    residuals = np.column_stack(
        [np.bincount(units, column) - value * sizes for column, value in zip(differences.T, mean, strict=True)]
    )
    count = len(sizes)
    error = np.sqrt(count * (residuals**2).sum(axis=0) / (count - 1)) / len(units)
    studentized = np.concatenate(
        [_studentized(residuals, sizes, rng.integers(0, count, (part, count))) for part in _pieces(resamples, count)]
    )
    quantiles = np.quantile(studentized, [1 - confidence, confidence], axis=0)
    return np.column_stack([mean - quantiles[1] * error, mean - quantiles[0] * error])


def _studentized(residuals: np.ndarray, sizes: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return each resample's mean residual over its own standard error, shape (n_resamples, n_columns)."""
    import numpy as np

    count = drawn.shape[1]
    same_size = bool((sizes == sizes[0]).all())
    drawn_sizes = None if same_size else sizes[drawn]
    total = count * sizes[0] if drawn_sizes is None else drawn_sizes.sum(axis=1)
    columns = []
    for column in residuals.T:
        values = column[drawn]
        shift = values.sum(axis=1) / total
        squares = np.einsum("ij,ij->i", values, values)
        if drawn_sizes is None:
            spread = squares - count * (shift * sizes[0]) ** 2
        else:
            crossed = np.einsum("ij,ij->i", values, drawn_sizes)
            spread = squares - 2 * shift * crossed + shift**2 * np.einsum("ij,ij->i", drawn_sizes, drawn_sizes)
        error = np.sqrt(np.maximum(spread, 0) * count / (count - 1)) / total
        # A resample of one unit only, or losses that are all alike: no spread, and nothing to divide by.
        columns.append(np.divide(shift, error, out=np.zeros_like(shift), where=error > 1e-300))
    return np.column_stack(columns)


def _pieces(resamples: int, count: int) -> list[int]:
    size = max(1, min(resamples, _PIECE // max(count, 1)))
    whole, rest = divmod(resamples, size)
    return [size] * whole + ([rest] if rest else [])


def _comparison(
    name: Any, challenger: np.ndarray, loss: np.ndarray, margin: float, plain: np.ndarray, tested: np.ndarray
) -> Comparison:
    bound = float(tested[1])
    return Comparison(
        opponent=name,
        challenger_loss=float(challenger.mean()),
        opponent_loss=float(loss.mean()),
        difference=float((challenger - loss).mean()),
        low=float(plain[0]),
        high=float(plain[1]),
        margin=margin,
        excess_bound=bound,
        # To be equal is not to be worse than a champion, but it is not to beat a baseline.
        passed=bound <= 0 if name == "champion" else bound < 0,
    )


def _sentence(found: Comparison, metric: str, confidence: float) -> str:
    if found.opponent == "baseline":
        claim = (
            "the challenger beats the simple baseline"
            if found.passed
            else "the challenger is not shown to beat the simple baseline"
        )
    else:
        claim = (
            "the challenger is not worse than the champion"
            if found.passed
            else "it is not shown that the challenger is no worse than the champion"
        )
        claim += f" by more than {found.margin:.1%}"
    return (
        f"{claim}: {metric} {found.challenger_loss:.4f} against {found.opponent_loss:.4f}, difference "
        f"{found.difference:+.4f} (from {found.low:+.4f} to {found.high:+.4f}, each bound at {confidence:.0%})"
    )
