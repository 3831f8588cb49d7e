"""May a challenger replace the champion? One paired test on rows that neither has seen.

Every model answers for the same rows, so what is tested is a row's difference in loss, and most of what makes a row
hard cancels out. Rows of one day share their weather, their campaign, their outage; where blocks are given, whole
blocks are one piece of evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.errors import GateMisuse
from airflow_mlops.loop.gate.bootstrap import bootstrap
from airflow_mlops.loop.gate.delong import FEWEST_OF_CLASS, Ranking, delong
from airflow_mlops.loop.gate.diebold_mariano import diebold_mariano
from airflow_mlops.loop.gate.mcnemar import mcnemar
from airflow_mlops.loop.gate.units import too_few_blocks, units_of
from airflow_mlops.loop.gate.verdict import Comparison, GateVerdict, Goal, Settings, Test, compared, refused

if TYPE_CHECKING:
    import numpy as np

    from airflow_mlops.loop.gate.bounds import Bounds


@dataclass(frozen=True, slots=True)
class _Rows:
    """What is compared: losses, what they are resampled with, and what they are multiplied by in the test."""

    challenger: np.ndarray
    baseline: np.ndarray
    champion: np.ndarray | None
    units: np.ndarray
    ranking: Ranking | None


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
    test: Test = "bootstrap",
    goal: Goal = "not_worse",
    ranking: Ranking | None = None,
) -> GateVerdict:
    """Compare a challenger's loss with a baseline's and a champion's on the same rows.

    The challenger passes when its loss is shown to be below the baseline's, and, by ``goal``, not above ``1 + margin``
    times the champion's or below ``1 - margin`` times it, each at one-sided ``confidence``. Both have to be shown, so
    the level of each is that of the whole. A first version has no champion to be compared with.

    Parameters
    ----------
    challenger, baseline, champion : ndarray of shape (n_rows,)
        Loss of each row, lower is better, in the same order; that of time for ``diebold_mariano``.
    blocks : ndarray of shape (n_rows,), optional
        Label of the block each row belongs to, such as its day. Fewer than 5 blocks are not enough labels. None takes
        rows as independent of each other, except in ``diebold_mariano``.
    metric : str
        Name of the loss, for the sentences; ``delong`` has its own.
    margin : float, default=0.01
        Relative difference from the champion's loss that is allowed, or demanded.
    confidence : float, default=0.95
        Of each bound, one-sided.
    resamples : int, default=1000
        Of the bootstrap.
    min_rows : int, default=200
        Fewer rows are not enough labels.
    seed : int
        The same seed gives the same verdict.
    test : {"bootstrap", "diebold_mariano", "mcnemar", "delong"}
        ``mcnemar`` takes losses of 0 and 1, ``delong`` takes ``ranking``.
    goal : {"not_worse", "better"}
        What is to be shown against the champion.
    ranking : Ranking, optional
        Scores and classes of the same rows.

    Returns
    -------
    GateVerdict
        Never an error for a bad model: a loss that is not finite fails.

    Raises
    ------
    GateMisuse
        The arrays differ in length, an opponent's loss is not finite, or the test does not fit them.
    MissingExtra
        scipy is not installed.

    References
    ----------
    Piaggio et al. (2012), Reporting of Noninferiority and Equivalence Randomized Trials, JAMA 308(24): why "not worse"
    needs a margin and a one-sided bound. Berger (1982), Multiparameter Hypothesis Testing and Acceptance Sampling,
    Technometrics 24(4): where all of several claims must be shown, each is tested at the full level.
    """
    _require_fit(challenger, baseline, champion, blocks, test, ranking)
    units = units_of(len(challenger), blocks)
    settings = Settings(
        test=test,
        goal=goal,
        metric="1 - AUC" if test == "delong" else metric,
        n=len(challenger),
        units=int(units.max()) + 1 if len(units) else 0,
        blocked=blocks is not None,
        resamples=resamples,
        confidence=confidence,
    )
    if fault := _unfit(challenger):
        return refused("fail", fault, settings)
    if lacking := _lacking(settings, min_rows, ranking):
        return refused("not enough labels", lacking, settings)
    allowed = margin if goal == "not_worse" else -margin
    found = _bounds(_Rows(challenger, baseline, champion, units, ranking), allowed, settings, seed)
    comparisons = [Comparison.of("baseline", found[0], margin=0.0, goal="better")]
    if champion is not None:
        comparisons.append(Comparison.of("champion", found[1], margin=margin, goal=goal))
    return compared(comparisons, settings)


def _bounds(rows: _Rows, allowed: float, settings: Settings, seed: int) -> list[Bounds]:
    """Run the test against the baseline, and the champion where there is one."""
    if settings.test == "delong" and rows.ranking is not None:
        scores = [(rows.ranking.baseline, 1.0)]
        if rows.champion is not None and rows.ranking.champion is not None:
            scores.append((rows.ranking.champion, 1.0 + allowed))
        return delong(
            rows.ranking.positive,
            rows.ranking.challenger,
            scores,
            rows.units,
            is_block=settings.blocked,
            confidence=settings.confidence,
        )
    opponents = [(rows.baseline, 1.0)] + ([] if rows.champion is None else [(rows.champion, 1.0 + allowed)])
    if settings.test == "diebold_mariano":
        blocks = settings.units if settings.blocked else None
        return diebold_mariano(rows.challenger, opponents, blocks=blocks, confidence=settings.confidence)
    if settings.test == "mcnemar":
        return mcnemar(
            rows.challenger, opponents, rows.units, is_block=settings.blocked, confidence=settings.confidence
        )
    return bootstrap(
        rows.challenger,
        opponents,
        rows.units,
        is_block=settings.blocked,
        confidence=settings.confidence,
        resamples=settings.resamples,
        seed=seed,
    )


def _require_fit(
    challenger: np.ndarray,
    baseline: np.ndarray,
    champion: np.ndarray | None,
    blocks: np.ndarray | None,
    test: Test,
    ranking: Ranking | None,
) -> None:
    import numpy as np

    given = [each for each in (challenger, baseline, champion, blocks) if each is not None]
    if ranking is not None:
        given += [ranking.positive, ranking.challenger, ranking.baseline]
    lengths = {len(each) for each in given}
    if len(lengths) > 1:
        raise GateMisuse(
            f"losses of {', '.join(map(str, sorted(lengths)))} rows were compared; give all of them the same rows."
        )
    if not all(np.isfinite(losses).all() for losses in (baseline, champion) if losses is not None):
        raise GateMisuse(
            "an opponent's loss is not finite, so nothing can be compared with it; leave it out and say so."
        )
    if test == "mcnemar" and not all(np.isin(each, (0, 1)).all() for each in (baseline, champion) if each is not None):
        raise GateMisuse("mcnemar compares error rates; give it losses of 0 and 1 (evaluate.gate.metric: zero_one).")
    if test == "delong" and (ranking is None or (ranking.champion is None and champion is not None)):
        raise GateMisuse("delong compares rankings; give it the scores of every model (a binary classification).")


def _unfit(challenger: np.ndarray) -> str | None:
    import numpy as np

    broken = int((~np.isfinite(challenger)).sum())
    return f"the challenger's loss is not finite on {broken} of {len(challenger)} rows" if broken else None


def _lacking(settings: Settings, min_rows: int, ranking: Ranking | None) -> str | None:
    if settings.n < min_rows:
        return f"{settings.n} held-out rows are fewer than the {min_rows} the gate needs (evaluate.gate.min_rows)"
    if settings.blocked and (few := too_few_blocks(settings.units)):
        return few
    if settings.test == "delong" and ranking is not None:
        positive = int(ranking.positive.sum())
        rarer = min(positive, settings.n - positive)
        if rarer < FEWEST_OF_CLASS:
            return (
                f"{rarer} of {settings.n} held-out rows are of the rarer class, and fewer than {FEWEST_OF_CLASS} do "
                "not tell one ranking from another; lengthen evaluate.holdout"
            )
    return None
