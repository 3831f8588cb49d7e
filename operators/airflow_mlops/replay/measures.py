"""What rules ask about rows and answers, measured at the looks of a history by the code that measures it live.

Nothing is measured that no rule names, and nothing twice. The data check of a look, and the importance of columns, are
not replayed: ``data_quality`` stays unknown, rows count as sound, and columns weigh all alike.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from airflow_mlops.artifacts import digest_json
from airflow_mlops.loop import verdicts
from airflow_mlops.loop.labels import require_columns
from airflow_mlops.loop.past import first_losses
from airflow_mlops.loop.standing import CHANGES, FRESH_LOSSES
from airflow_mlops.loop.verdicts.readings import FRESHNESS, usual_age
from airflow_mlops.replay.answers import Said, quality_of, said_of
from airflow_mlops.replay.board import ROUNDING
from airflow_mlops.replay.kept_effects import KeptEffects
from airflow_mlops.replay.named import named_by

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from airflow_mlops.loop.effects import Effect
    from airflow_mlops.loop.estimate import Estimate
    from airflow_mlops.loop.past import Past
    from airflow_mlops.loop.signal import Signal
    from airflow_mlops.loop.signals import Quality
    from airflow_mlops.replay.board import Board, Serving
    from airflow_mlops.replay.play import Play
    from airflow_mlops.replay.play.player import Measure
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.loop_sections import Policy

# Most rows of a side on which columns are compared. More would not change a verdict: chance moves a column of two such
# samples by 0.02, and a move below 0.1 is never called one.
MOST_ROWS = 20_000


class Measures:
    """What was measured of a history, for all policies that are played on it.

    Parameters
    ----------
    rows : DataFrame
        The history, as *ingest* gives it. Not modified.
    spec : ModelSpec
        Of the model.
    board : Board
        Laid from these rows.
    folder : Path, optional
        Where matrices are kept; how far columns moved is kept beside this one.
    warnings : bool, default=False
        Measure what the default rule of ``warn`` names too, which no policy trains by.
    """

    def __init__(
        self, rows: pd.DataFrame, spec: ModelSpec, board: Board, *, folder: Path | None = None, warnings: bool = False
    ) -> None:
        self.spec, self.board, self.warnings = spec, board, warnings
        self._rows, self._folder = rows, folder
        self._answers: dict[tuple[Serving, int], Effect | None] = {}
        self._estimates: dict[tuple[Serving, int], Estimate | None] = {}

    def effects(self, reference: int, look: int) -> dict[str, Effect]:
        """Return how far each column has moved between the training rows of a look and the rows of the monitor."""
        return self._kept.get(reference, look, lambda: self._effects(reference, look))

    def prediction_effect(self, serving: Serving, look: int) -> Effect | None:
        """Return how far the answers have moved from those to held-out rows; None where there are none."""
        if (serving, look) not in self._answers:
            self._answers[serving, look] = self._prediction_effect(self._said(serving, look))
        return self._answers[serving, look]

    def estimate(self, serving: Serving, look: int) -> Estimate | None:
        """Return the loss that is expected of the answers of a look; None where there is nothing to go by."""
        if (serving, look) not in self._estimates:
            self._estimates[serving, look] = self._estimate(self._said(serving, look))
        return self._estimates[serving, look]

    def quality(self, play: Play, look: int) -> Quality:
        """Return what was served in the judged window of a look."""
        return quality_of(self.board, play.servings, look)

    def span(self, look: int) -> tuple[datetime, datetime] | None:
        """Return the first and the last time of the rows of the monitor at a look; None where there are none."""
        times = self._window(look)[self.spec.data.time]
        return (
            None if times.empty else (times.iloc[0].to_pydatetime(warn=False), times.iloc[-1].to_pydatetime(warn=False))
        )

    # Rows

    @cached_property
    def _ordered(self) -> pd.DataFrame:
        import pandas as pd

        time = self.spec.data.time
        require_columns(self._rows, [*self._columns, time], where="the history")
        found = self._rows[list(dict.fromkeys([*self._columns, time]))]
        found = found.assign(**{time: pd.to_datetime(found[time], utc=True)}).dropna(subset=[time])
        return found.sort_values(time, kind="stable", ignore_index=True)

    @cached_property
    def _columns(self) -> list[str]:
        wanted = self.spec.drift.columns or self.spec.features.columns
        return [column for column in wanted if column not in self.spec.data.sensitive]

    @cached_property
    def _kept(self) -> KeptEffects:
        if self._folder is None:
            return KeptEffects(None)
        import pandas as pd

        # The digest of a matrix covers the rows of its features, and ingest.window only where trainings felt it.
        others = self._ordered[[name for name in self._columns if name not in self.spec.features.columns]]
        rows = int(pd.util.hash_pandas_object(others, index=False).sum()) if len(others.columns) else 0
        made_of = [self._columns, str(self.spec.ingest.window), str(self.spec.monitor_window), MOST_ROWS, rows]
        place = self._folder / self.board.matrix.digest[:16]
        return KeptEffects(place / f"effects-{digest_json(made_of)[:8]}.jsonl")

    def _window(self, look: int) -> pd.DataFrame:
        """Return the rows that *ingest* reads for the monitor at a look."""
        now = self.board.matrix.looks[look].now
        return self._between(now - self.spec.data.label_delay - self.spec.monitor_window, now)

    def _between(self, start: datetime, end: datetime) -> pd.DataFrame:
        import pandas as pd

        bounds = pd.DatetimeIndex([start, end], dtype="datetime64[ns, UTC]")
        first, last = self._ordered[self.spec.data.time].searchsorted(bounds, side="left")
        return self._ordered.iloc[int(first) : int(last)]

    def _drawn(self, rows: pd.DataFrame, *seed: int) -> pd.DataFrame:
        import numpy as np

        if len(rows) <= MOST_ROWS:
            return rows
        rng = np.random.default_rng([self.spec.train.seed, *seed])
        return rows.iloc[np.sort(rng.choice(len(rows), MOST_ROWS, replace=False))]

    def _effects(self, reference: int, look: int) -> dict[str, Effect]:
        from airflow_mlops.stages.drift.effects import measure_effects

        then, now = self.board.matrix.looks[reference].now, self._window(look)
        trained_on = self._between(then - self.spec.ingest.window, then)
        sides = (self._drawn(trained_on, reference, 0), self._drawn(now, look, 1))
        return measure_effects(*sides, self._columns, time=self.spec.data.time)

    def _said(self, serving: Serving, look: int) -> Said:
        return said_of(self.board, serving, reference=newest_of(serving), look=look)

    def _prediction_effect(self, said: Said) -> Effect | None:
        from airflow_mlops.stages.drift.effects import prediction_effect

        return prediction_effect(*said.main, days=(said.then.days, said.now.days)) if len(said.main[0]) else None

    def _estimate(self, said: Said) -> Estimate | None:
        from airflow_mlops.loop.estimate import estimate_loss

        if not len(said.now.said):
            return None
        return estimate_loss(self.board.matrix.metric, said.now, said.then if len(said.then.said) else None)


def newest_of(serving: Serving) -> int:
    """Return the look at which the newest member was trained: its rows are the reference of what serves."""
    return max(look for (_, look), weight in serving.weights if weight > 0)


def measure_for(policy: Policy, measures: Measures | None, *, train_only: bool = False) -> Measure | None:
    """Return what a player asks at each look of one play; None where the rules name nothing that is measured.

    Parameters
    ----------
    policy : Policy
        Whose rules.
    measures : Measures or None
        Of the history; None measures nothing.
    train_only : bool, default=False
        As in `named_by`.
    """
    if measures is None:
        return None
    names = named_by(policy, warnings=measures.warnings, train_only=train_only)
    return _Judge(measures, names).look if names else None


class _Judge:
    """Gives the verdicts of one play, each beside those of the looks before it, as `lifecycle.verdicts` does live."""

    def __init__(self, measures: Measures, names: frozenset[str]) -> None:
        self.measures, self.names = measures, names
        self._found: list[tuple[int, Mapping[str, Signal]]] = []

    def look(self, look: int, play: Play, past: Past) -> Mapping[str, Signal]:
        """Return the signals of a look by name; verdicts begin anew with each training whose version was let serve."""
        since = max((trained.look for trained in play.trainings if trained.served), default=play.first - 1)
        self._found = [(at, signals) for at, signals in self._found if at > since]
        found: dict[str, Signal] = {}
        if self.names & {"data_drift", "prediction_drift", FRESHNESS}:
            found |= self._moved(look, play)
        if self.names & {"quality", "estimated_quality"}:
            found |= self._lost(look, play, past)
        self._found.append((look, found))
        return found

    def _past(self, name: str) -> list[Signal]:
        return [signals[name] for _, signals in self._found]

    def _moved(self, look: int, play: Play) -> dict[str, Signal]:
        measures, settings, serving = self.measures, self.measures.spec.drift, play.servings[-1][1]
        start, end = measures.span(look) or (None, None)
        found = {}
        if "data_drift" in self.names:
            found["data_drift"] = verdicts.data_drift(
                measures.effects(newest_of(serving), look),
                thresholds=settings.thresholds,
                false_alarms=settings.false_alarms,
                share=settings.share,
                past=self._past("data_drift"),
                start=start,
                end=end,
            )
        if "prediction_drift" in self.names:
            found["prediction_drift"] = verdicts.prediction_drift(
                measures.prediction_effect(serving, look),
                threshold=settings.thresholds.get("prediction"),
                false_alarms=settings.false_alarms,
                past=self._past("prediction_drift"),
                start=start,
                end=end,
            )
        if FRESHNESS in self.names:
            usual = usual_age([signal.value for signal in self._past(FRESHNESS)])
            now = measures.board.matrix.looks[look].now
            found[FRESHNESS] = verdicts.readings(now=now, data_check="missing", newest=end, usual=usual)[FRESHNESS]
        return found

    def _lost(self, look: int, play: Play, past: Past) -> dict[str, Signal]:
        measures, spec, level = self.measures, self.measures.spec, self._level(look, play, past)
        found: dict[str, Signal] = {}
        if "quality" in self.names:
            quality = measures.quality(play, look)
            found["quality"] = verdicts.quality(
                quality,
                level,
                error=quality.error,
                min_labels=spec.monitor.min_labels,
                maturity=spec.monitor.maturity,
                false_alarms=spec.drift.false_alarms,
                past=self._past("quality"),
            )
        if "estimated_quality" in self.names:
            start, end = measures.span(look) or (None, None)
            found["estimated_quality"] = verdicts.estimated_quality(
                measures.estimate(play.servings[-1][1], look),
                level,
                false_alarms=spec.drift.false_alarms,
                past=self._past("estimated_quality"),
                start=start,
                end=end,
            )
        return found

    def _level(self, look: int, play: Play, past: Past) -> verdicts.Level:
        """Measure what a fresh model loses on the windows that ended before the judged one began."""
        until = float(self.measures.board.starts[look]) - 1 + ROUNDING
        count = sum(start <= until for start in past.starts)
        served = past.served[:count]
        fresh = first_losses(past.starts[:count], served, [at - ROUNDING for at in play.came])
        return verdicts.Level.of(fresh[-FRESH_LOSSES:], served[-CHANGES - 1 :])
