"""How often the gate passes challengers that it must not, and one that it should, on real streams.

Part ``challengers`` of ``python -m benchmarks.gate_rates``; ``--streams`` names folders as for `benchmarks.loop`. On
each stream a champion is trained on 2,000 rows, and for each seed so are challengers, which are judged by the very
function that the task *evaluate* calls, on 1,000 later rows, with fingerprints of what each was trained on:

- ``shuffled``: fitted to shuffled labels
- ``one_percent``: fitted to 1 % of the rows
- ``leaked``, ``leaked_first``: a further column is the target, with a champion and as a first version
- ``leaked_noisy``: a further column is the target with noise: one label in ten is drawn anew, or a normal error of a
  quarter of the target's standard deviation is added
- ``holdout``, ``holdout_too``: fitted to the held-out rows, alone or beside the others
- ``honest``, ``honest_stale``: fitted to as many other rows, against the champion and against one that was trained on
  the first rows of the stream; not bound to a rate, they show what the checks refuse
- ``better``: has a loss 5 % lower than the champion's in expectation, on 2,000 paired rows: it is trained on 2,000
  further rows of that stretch, and what serves is the same model with normal noise on the logarithms of its
  probabilities, or on its predictions, of a spread at which the mean loss over all rows that pairs are drawn from is
  1 / 0.95 of the challenger's
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from airflow_mlops.stages.evaluate.evaluation import decide
from airflow_mlops.stages.evaluate.evidence import Evidence, Origin, TrainedOn
from airflow_mlops.stages.evaluate.metrics import score
from airflow_mlops.stages.evaluate.predictions import all_classes, default_loss, predict, row_losses
from airflow_mlops.stages.features import build_features, fitted_frame
from airflow_mlops.stages.fingerprints import fingerprints, identity_columns
from airflow_mlops.stages.train import Trained, train, usable_target
from benchmarks.loop.sources import Source, from_folders, from_packages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from airflow_mlops.spec import ModelSpec

TRAIN_ROWS, HELD_OUT, PAIRED, POOL, LATER = 2_000, 1_000, 2_000, 10_000, 6_000
# Where in the stream the rows begin that are judged on.
CUT = 0.6
GAIN = 0.05
MOST_BAD, LEAST_GOOD = 0.01, 0.80
BAD = ("shuffled", "one_percent", "leaked", "leaked_first", "leaked_noisy", "holdout", "holdout_too")
GOOD = ("better",)
SHOWN = (*BAD, *GOOD, "honest", "honest_stale")
SEEDS_AT_ONCE = 20
LEAK = "leaked"


@dataclass(frozen=True)
class Fitted:
    """A model, and what is known of how it was made."""

    made: Trained
    origin: Origin


@dataclass(frozen=True)
class Ground:
    """One stream made ready: rows to train on, rows to judge on, champions, and the model that pairs are made of."""

    spec: ModelSpec
    pool: pd.DataFrame
    later: pd.DataFrame
    champion: Fitted
    stale: Fitted
    better: Fitted
    pairs: pd.DataFrame
    noise: float


def measure(
    seeds: int,
    *,
    streams: Sequence[Path] | None = None,
    jobs: int = 2,
) -> list[dict[str, Any]]:
    """Judge every challenger of every seed on every stream, and tell of progress on the error channel.

    Parameters
    ----------
    seeds : int
        Challengers of each kind on each stream.
    streams : sequence of Path, optional
        Folders as for `benchmarks.loop`; default: the streams of installed packages.
    jobs : int
        Processes.

    Returns
    -------
    list of dict
        One figure a stream and kind of challenger: passes of seeds, what is promised, which checks refused.
    """
    import joblib

    names = [source.name for source in _sources(streams)]
    tasks = [(name, first) for first in range(0, seeds, SEEDS_AT_ONCE) for name in names]
    counted: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in names}
    done: Counter[str] = Counter()
    work = (
        joblib.delayed(_some_seeds)(streams, name, range(first, min(first + SEEDS_AT_ONCE, seeds)))
        for name, first in tasks
    )
    results = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(work)
    for number, (name, found, count) in enumerate(results, 1):
        counted[name] += found
        done[name] += count
        print(f"challengers: {number} of {len(tasks)} parts; {name}: {done[name]} of {seeds} seeds", file=sys.stderr)
    figures = _figures(counted, done)
    for line in table(figures):
        print(line, flush=True)
    return figures


def table(figures: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the shares of passes as a Markdown table, one row a stream."""
    rates = {(figure["stream"], figure["challenger"]): figure["rate"] for figure in figures}
    yield "| stream | " + " | ".join(SHOWN) + " |"
    yield "|---|" + "---|" * len(SHOWN)
    for name in dict.fromkeys(stream for stream, _ in rates):
        yield f"| {name} | " + " | ".join(f"{rates[name, kind]:.1%}" for kind in SHOWN) + " |"


def _figures(counted: dict[str, Counter[tuple[str, str]]], done: Counter[str]) -> list[dict[str, Any]]:
    return [_figure(name, kind, counts, done[name]) for name, counts in counted.items() if done[name] for kind in SHOWN]


def _figure(name: str, kind: str, counts: Counter[tuple[str, str]], seeds: int) -> dict[str, Any]:
    rate = counts[kind, "pass"] / seeds
    promise = f"<= {MOST_BAD}" if kind in BAD else f">= {LEAST_GOOD}" if kind in GOOD else None
    return {
        "part": "challengers",
        "stream": name,
        "challenger": kind,
        "rows": PAIRED if kind in GOOD else HELD_OUT,
        "seeds": seeds,
        "passes": counts[kind, "pass"],
        "rate": rate,
        "promise": promise,
        "refused_by": {check: count for (of, check), count in sorted(counts.items()) if of == kind and check != "pass"},
        "ok": rate <= MOST_BAD if kind in BAD else rate >= LEAST_GOOD if kind in GOOD else True,
    }


def _sources(streams: Sequence[Path] | None) -> list[Source]:
    if streams:
        return from_folders(streams, rows_per_batch=None, label_delay=0)
    return from_packages(label_delay=0)[0]


def _some_seeds(
    streams: Sequence[Path] | None, name: str, seeds: Sequence[int]
) -> tuple[str, Counter[tuple[str, str]], int]:
    from threadpoolctl import threadpool_limits

    counts: Counter[tuple[str, str]] = Counter()
    with threadpool_limits(1):
        ground = _ground(tuple(streams) if streams else None, name)
        for seed in seeds:
            for kind, refused_by in _judged(ground, seed):
                counts.update((kind, check) for check in refused_by or ("pass",))
    return name, counts, len(seeds)


# The stream


@cache
def _ground(streams: tuple[Path, ...] | None, name: str) -> Ground:
    stream = next(source for source in _sources(streams) if source.name == name).read()
    spec, rows = _quick(stream.spec), stream.rows.reset_index(drop=True)
    cut = int(len(rows) * CUT)
    pool, later = rows.iloc[max(0, cut - POOL) : cut], rows.iloc[cut : cut + LATER]
    champion = _served(_fit(_drawn(pool, TRAIN_ROWS, seed=0), spec), _drawn(pool, HELD_OUT, seed=1), spec)
    stale = _served(_fit(rows.iloc[:TRAIN_ROWS], spec), rows.iloc[TRAIN_ROWS : TRAIN_ROWS + HELD_OUT], spec)
    near = _drawn(later, TRAIN_ROWS, seed=2)
    pairs, better = later.drop(near.index), _fit(near, spec)
    return Ground(spec, pool, later, champion, stale, better, pairs, _noise(better.made, pairs, spec))


def _quick(spec: ModelSpec) -> ModelSpec:
    """Take fewer trees, so that thousands of models can be trained."""
    params = {**spec.train.params, "max_iter": 15, "max_leaf_nodes": 10}
    return spec.model_copy(update={"train": spec.train.model_copy(update={"params": params})})


def _drawn(rows: pd.DataFrame, size: int, *, seed: int) -> pd.DataFrame:
    places = np.random.default_rng(seed).choice(len(rows), min(size, len(rows)), replace=False)
    return rows.iloc[np.sort(places)]


def _fit(rows: pd.DataFrame, spec: ModelSpec, target: np.ndarray | None = None) -> Fitted:
    """Train as the stages *features* and *train* do, on other labels where they are given."""
    given = rows if target is None else rows.assign(**{spec.data.target: target})
    matrix = build_features(given, spec=spec)
    frame = fitted_frame(matrix, given[spec.data.target], None)
    made = train(frame, transformer=matrix.transformer, spec=spec, categorical=matrix.categorical)
    columns = identity_columns(spec)
    seen = TrainedOn(tuple(columns), np.unique(fingerprints(rows, columns)))
    return Fitted(made, Origin(rows=len(rows), trained_on=(seen,), columns=frozenset(spec.features.columns)))


def _served(fitted: Fitted, rows: pd.DataFrame, spec: ModelSpec) -> Fitted:
    """Record how good a model was when it was promoted."""
    target = usable_target(rows[spec.data.target], task=spec.task)
    classes = () if spec.task == "regression" else all_classes(target, fitted.made.model)
    own, simple = (
        score(spec.task, target, predict(model, rows, classes=classes))
        for model in (fitted.made.model, fitted.made.baseline)
    )
    metrics = own | {f"baseline_{name}": value for name, value in simple.items()}
    return replace(fitted, origin=replace(fitted.origin, metrics=metrics))


# The challengers


def _judged(ground: Ground, seed: int) -> Iterator[tuple[str, list[str]]]:
    """Yield each challenger with the checks that refused it."""
    spec, pool = ground.spec, ground.pool
    held_out = _drawn(ground.later, HELD_OUT, seed=10_000 + seed)
    own = _drawn(pool, TRAIN_ROWS, seed=1 + seed)
    rng = np.random.default_rng(20_000 + seed)
    labels = own[spec.data.target].to_numpy()
    fitted = {
        "shuffled": _fit(own, spec, rng.permutation(labels)),
        "one_percent": _fit(_with_all_kinds(own, spec, len(own) // 100, rng), spec),
        "holdout": _fit(held_out, spec),
        "holdout_too": _fit(pd.concat([own, held_out]), spec),
        "honest": _fit(own, spec),
    }
    for kind, challenger in fitted.items():
        yield kind, _refused_by(held_out, challenger, ground.champion, spec)
    yield "honest_stale", _refused_by(held_out, fitted["honest"], ground.stale, spec)
    yield from _leaked(ground, own, held_out, rng)
    paired = _drawn(ground.pairs, PAIRED, seed=30_000 + seed)
    serving = Noisy(ground.better.made.model, ground.noise, spec.task)
    yield "better", _refused_by(paired, ground.better, ground.better, spec, serving=serving)


def _with_all_kinds(rows: pd.DataFrame, spec: ModelSpec, size: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw a few rows, again until a classification has two classes."""
    while True:
        drawn = rows.iloc[np.sort(rng.choice(len(rows), size, replace=False))]
        if spec.task == "regression" or drawn[spec.data.target].nunique() > 1:
            return drawn


def _leaked(
    ground: Ground, own: pd.DataFrame, held_out: pd.DataFrame, rng: np.random.Generator
) -> Iterator[tuple[str, list[str]]]:
    spec = ground.spec
    features = spec.features.model_copy(update={"columns": [*spec.features.columns, LEAK]})
    leaking = spec.model_copy(update={"features": features})
    for kind, noisy in (("leaked", False), ("leaked_noisy", True)):
        known, asked = (
            rows.assign(**{LEAK: _leak(rows[spec.data.target].to_numpy(), spec.task, rng, noisy=noisy)})
            for rows in (own, held_out)
        )
        challenger = _fit(known, leaking)
        yield kind, _refused_by(asked, challenger, ground.champion, leaking)
        if not noisy:
            yield "leaked_first", _refused_by(asked, challenger, None, leaking)


def _leak(target: np.ndarray, task: str, rng: np.random.Generator, *, noisy: bool) -> np.ndarray:
    if not noisy:
        return target.astype("float64")
    if task == "regression":
        return target + rng.normal(0, target.std() / 4, len(target))
    anew = rng.random(len(target)) < 0.1
    return np.where(anew, rng.permutation(target), target).astype("float64")


def _refused_by(
    held_out: pd.DataFrame, challenger: Fitted, champion: Fitted | None, spec: ModelSpec, *, serving: Any = None
) -> list[str]:
    """Judge, and name the checks that failed or lacked labels; none: it passed."""
    evidence = Evidence(challenger.origin, champion.origin if champion else Origin())
    decision = decide(
        held_out,
        challenger=challenger.made.model,
        baseline=challenger.made.baseline,
        champion=serving or (champion.made.model if champion else None),
        spec=spec,
        holdout_start=held_out[spec.data.time].min().floor("s").to_pydatetime(),
        evidence=evidence,
    )
    return [check.name for check in decision.gate.checks if check.verdict != "pass"]


# A champion that is worse by so much


class Noisy:
    """A model whose answers have normal noise: on the logarithms of its probabilities, or on its predictions.

    Parameters
    ----------
    model : estimator
        Takes raw columns, with the key of each row beside them: it seeds the noise.
    spread : float
        Standard deviation of the noise.
    task : str
        A regression has no probabilities.
    """

    def __init__(self, model: Any, spread: float, task: str) -> None:
        self.model, self.spread = model, spread
        if task != "regression":
            self.classes_ = model.classes_
            self.predict_proba = self._probabilities

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Answer with a class, or a number."""
        if hasattr(self, "classes_"):
            return self.classes_[self._probabilities(rows).argmax(axis=1)]
        return self.model.predict(rows) + self._draws(rows, 1)[:, 0]

    def _probabilities(self, rows: pd.DataFrame) -> np.ndarray:
        plain = np.log(np.clip(self.model.predict_proba(rows), 1e-6, 1))
        moved = np.exp(plain + self._draws(rows, plain.shape[1]))
        return moved / moved.sum(axis=1, keepdims=True)

    def _draws(self, rows: pd.DataFrame, size: int) -> np.ndarray:
        """Draw the same noise for the same row, whatever other rows are asked for."""
        from scipy.stats import norm

        numbers = [fingerprints(rows.assign(_place=place), ["_row", "_place"]) for place in range(size)]
        uniform = (np.column_stack(numbers) >> np.uint64(11)).astype("float64") / 2**53
        return self.spread * norm.ppf(np.clip(uniform, 1e-12, 1 - 1e-12))


def _noise(made: Trained, rows: pd.DataFrame, spec: ModelSpec) -> float:
    """Find the spread at which the mean loss is 1 / 0.95 of the plain model's."""
    target = usable_target(rows[spec.data.target], task=spec.task)
    classes = () if spec.task == "regression" else all_classes(target, made.model)

    def loss(model: Any) -> float:
        said = predict(model, rows, classes=classes)
        return float(row_losses(default_loss(spec.task, said), target, said).mean())

    wanted = loss(made.model) / (1 - GAIN)
    low, high = 0.0, 0.01 * max(1.0, float(np.abs(target).max()) if spec.task == "regression" else 1.0)
    while loss(Noisy(made.model, high, spec.task)) < wanted:
        high *= 2
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if loss(Noisy(made.model, middle, spec.task)) >= wanted else (middle, high)
    return high
