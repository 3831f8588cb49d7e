"""How often the policy asks for a training that nothing called for, and how late it asks for one that was due.

    python -m benchmarks.policy_error_rates [--json OUT] [--streams N] [--no-flights]

Weekly losses are drawn around a level of 0.5: independent or correlated from week to week, with and without a season.
Where nothing changes, each training that the loss asks for is a false one. Then the champion, and no fresh model, loses
more from the 27th week on, at once or more each week, and the weeks are counted until a training is asked for. The
maximum age is left out. Last, the year of flights is replayed with real models and the gate, as the shipped spec says.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from airflow_mlops.demo.flights import read_flights
from airflow_mlops.loop.gate import judge
from airflow_mlops.loop.history import History, Promotion, Training, Window
from airflow_mlops.loop.policy import Decision, decide
from airflow_mlops.loop.signals import Signals, VersionLoss
from airflow_mlops.spec import ModelSpec, load_spec
from airflow_mlops.spec.loop_sections import ExcessLossPolicy
from airflow_mlops.stages.evaluate.predictions import all_classes, predict, row_losses
from airflow_mlops.stages.features import build_features
from airflow_mlops.stages.train import train
from airflow_mlops.stages.training_set import assemble

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2013, 3, 1, 5, tzinfo=UTC)
WEEK = timedelta(weeks=1)
LEVEL, LABELS = 0.5, 1000
YEARS, CHANGE = 2, 26
WEEKS = 52 * YEARS
NEVER = timedelta(days=10_000)
FLIGHTS = Path(__file__).parents[1] / "dags" / "specs" / "flights.yaml"

DEFAULT = ExcessLossPolicy()
GRID = [(0.4, 0.5), (1.2, 0.5), (0.8, 0.25), (0.8, 1.0)]


@dataclass(frozen=True)
class Noise:
    """How weekly losses scatter: standard deviation and season as shares of the level, correlation of neighbours."""

    deviation: float
    correlation: float = 0.0
    season: float = 0.0

    def draw(self, weeks: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the weekly losses of a fresh model."""
        shocks = rng.normal(0, self.deviation * (1 - self.correlation**2) ** 0.5, weeks)
        scatter = np.zeros(weeks)
        for week in range(weeks):
            scatter[week] = shocks[week] + (self.correlation * scatter[week - 1] if week else 0.0)
        season = self.season * np.sin(2 * np.pi * (np.arange(weeks) / 52 + rng.random()))
        return LEVEL * np.maximum(0.05, 1 + scatter + season)


STILL = [Noise(0.02), Noise(0.05), Noise(0.1), Noise(0.2), Noise(0.05, 0.6), Noise(0.1, 0.6), Noise(0.05, 0.6, 0.1)]
STEPS, SLOPES = (0.05, 0.1, 0.2, 0.4), (0.005, 0.01, 0.02)


class Past:
    """A model's past, made week by week."""

    def __init__(self, policy: ExcessLossPolicy, *, min_labels: int = 200) -> None:
        self.policy, self.min_labels = policy, min_labels
        self.promotions: list[Promotion] = []
        self.trainings: list[Training] = []
        self.windows: list[Window] = []

    def promote(self, at: datetime, metrics: dict[str, float]) -> None:
        """Let a training end in a promotion."""
        epoch = len(self.promotions)
        self.trainings.append(Training(at, "pass", epoch, metrics))
        self.promotions.append(Promotion(str(epoch + 1), epoch + 1, at, metrics))

    def refuse(self, at: datetime, metrics: dict[str, float]) -> None:
        """Let a training end in a refusal."""
        self.trainings.append(Training(at, "fail", len(self.promotions), metrics))

    def look(self, now: datetime, start: datetime, end: datetime, loss: float, labels: int = LABELS) -> Decision:
        """Measure a window and decide."""
        version = self.promotions[-1].version
        losses = {version: VersionLoss(loss, labels)}
        self.windows.append(Window(start, end, now, "log_loss", labels, loss, losses, is_sound=True))
        signals = Signals(now, len(self.promotions), version, "passed")
        history = History(tuple(self.promotions), tuple(self.trainings), tuple(self.windows))
        return decide(history, signals, self.policy, window="all", min_labels=self.min_labels)


def asked(fresh: np.ndarray, extra: Callable[[int], float], policy: ExcessLossPolicy) -> list[int]:
    """Return the weeks at whose end a training was asked for; what is trained after the change loses nothing extra."""
    past, weeks, trained = Past(policy), [], 0
    past.promote(START, {"log_loss": float(fresh[:2].mean())})
    for week in range(2, len(fresh)):
        loss = fresh[week] + (extra(week) if trained <= CHANGE else 0.0)
        end = START + (week - 1) * WEEK
        if past.look(end, end - WEEK, end, loss).action == "retrain":
            weeks.append(week)
            trained = week
            past.promote(end, {"log_loss": float(fresh[week - 1 : week + 1].mean())})
    return weeks


def false_rate(noise: Noise, policy: ExcessLossPolicy, streams: int) -> float:
    """Return trainings a year where nothing changes."""
    rng = np.random.default_rng(2013)
    return sum(len(asked(noise.draw(WEEKS, rng), lambda week: 0.0, policy)) for _ in range(streams)) / streams / YEARS


def delay(noise: Noise, extra: Callable[[int], float], policy: ExcessLossPolicy, streams: int) -> tuple[float, float]:
    """Return the median weeks from a change to the decision, and the share of streams in which there was none."""
    rng = np.random.default_rng(2013)
    waits = []
    for _ in range(streams):
        after = [week for week in asked(noise.draw(WEEKS, rng), extra, policy) if week >= CHANGE]
        waits.append(after[0] - CHANGE + 1 if after else WEEKS)
    return median(waits), sum(wait == WEEKS for wait in waits) / streams


def simulate(threshold: float, allowance: float, streams: int) -> dict[str, object]:
    """Measure false trainings and delays of one setting, and print them."""
    policy = ExcessLossPolicy(threshold=threshold, allowance=allowance, max_age=NEVER)
    still = {_name(noise): round(false_rate(noise, policy, streams), 2) for noise in STILL}
    moved: dict[str, dict[str, tuple[float, float]]] = {}
    for noise in (Noise(0.05), Noise(0.1, 0.6)):
        steps = {f"+{step:.0%}": delay(noise, _step(step), policy, streams) for step in STEPS}
        slopes = {f"+{slope:.1%} a week": delay(noise, _slope(slope), policy, streams) for slope in SLOPES}
        moved[_name(noise)] = steps | slopes
    print(f"threshold {threshold}, allowance {allowance}: false trainings a year {still}")
    for name, waits in moved.items():
        print(
            f"    {name}:",
            ", ".join(f"{what} {weeks:g} weeks ({missed:.0%} missed)" for what, (weeks, missed) in waits.items()),
        )
    return {"false_a_year": still, "delay_weeks_and_missed": moved}


def _step(share: float) -> Callable[[int], float]:
    return lambda week: LEVEL * share if week >= CHANGE else 0.0


def _slope(share: float) -> Callable[[int], float]:
    return lambda week: LEVEL * share * max(0, week - CHANGE + 1)


def _name(noise: Noise) -> str:
    correlated = f", correlation {noise.correlation:g}" if noise.correlation else ""
    return f"deviation {noise.deviation:.0%}{correlated}{f', season {noise.season:.0%}' if noise.season else ''}"


class Year:
    """The flights, week by week, with models trained, judged and promoted as in production."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        rows = read_flights(datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)).to_pandas()
        self.rows = rows.assign(scheduled=pd.to_datetime(rows["scheduled"], utc=True))
        self.past = Past(spec.retrain.policy, min_labels=spec.monitor.min_labels)  # type: ignore[arg-type]
        self.champion: object = None

    def replay(self) -> dict[str, object]:
        """Look every week; train when a decision asks; let the gate decide. Return what happened."""
        told, losses = [self.train(START)], []
        delay, length = self.spec.data.label_delay, self.spec.monitor.window or WEEK
        now = START + WEEK
        while now < datetime(2014, 1, 1, tzinfo=UTC):
            start, end = now - length - delay, now - delay
            served = self.rows[(self.rows["scheduled"] >= max(start, START)) & (self.rows["scheduled"] < end)]
            found = self.losses(self.champion, served[served["late"].notna()])
            losses.append({"week": f"{now:%Y-%m-%d}", "loss": round(float(found.mean()), 4)})
            decision = self.past.look(now, start, end, float(found.mean()), len(found))
            if decision.action == "retrain":
                told.append({**self.train(now), "reasons": decision.reasons, "otherwise": decision.counterfactual})
            now += WEEK
        for event in told:
            print("    flights:", event)
        return {"trainings": told, "weeks": losses}

    def losses(self, model: object, rows: pd.DataFrame) -> np.ndarray:
        """Return the loss of each row."""
        target = rows["late"].astype(int).to_numpy()
        return row_losses("log_loss", target, predict(model, rows, classes=all_classes(target, model)))

    def train(self, now: datetime) -> dict[str, object]:
        """Train on what was known then, and promote if the gate lets it."""
        known = self.rows[self.rows["scheduled"] < now]
        parts = assemble([known], spec=self.spec, now=now)
        matrix = build_features(parts.training, spec=self.spec)
        labelled = matrix.frame.assign(late=parts.training["late"].to_numpy())
        fit = train(labelled, transformer=matrix.transformer, spec=self.spec, categorical=matrix.categorical)
        challenger, holdout, gate = fit.model, parts.holdout, self.spec.evaluate.gate
        losses = {"log_loss": self.losses(challenger, holdout)}
        if self.champion is not None:
            losses["champion_log_loss"] = self.losses(self.champion, holdout)
        metrics = {name: float(found.mean()) for name, found in losses.items()}
        verdict = judge(
            losses["log_loss"],
            baseline=self.losses(fit.baseline, holdout),
            champion=losses.get("champion_log_loss"),
            blocks=((holdout["scheduled"] - parts.holdout_start) // gate.block).to_numpy(),
            metric="log_loss",
            margin=gate.margin,
            confidence=gate.confidence,
            resamples=gate.resamples,
            min_rows=gate.min_rows,
            seed=self.spec.train.seed,
        )
        if verdict.verdict == "pass":
            self.champion = challenger
            self.past.promote(now, metrics)
        else:
            self.past.refuse(now, metrics)
        return {"at": f"{now:%Y-%m-%d}", "verdict": verdict.verdict, "gate": verdict.reasons, **metrics}


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--streams", type=int, default=50, help="simulated streams of two years a setting")
    parser.add_argument("--no-flights", action="store_true", help="only simulate")
    arguments = parser.parse_args()
    figures: dict[str, object] = {}
    if not arguments.no_flights:
        figures["flights"] = Year(load_spec(FLIGHTS)).replay()
    for threshold, allowance in [(DEFAULT.threshold, DEFAULT.allowance), *GRID]:
        name = f"threshold {threshold}, allowance {allowance}"
        if name not in figures:
            figures[name] = simulate(threshold, allowance, arguments.streams)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2, default=str))


if __name__ == "__main__":
    main()
