"""The policies that serve the newest version, played over a history by the very code that decides live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.loop.history import History, Promotion, Training, Window
from airflow_mlops.loop.policy import decide
from airflow_mlops.loop.signals import Signals, VersionLoss
from airflow_mlops.replay.board import Serving
from airflow_mlops.replay.play import Play, Trained
from airflow_mlops.replay.play.labelled import Waiting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.replay.board import Board, Model
    from airflow_mlops.replay.gates import Gates
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.loop_sections import ExcessLossPolicy, SchedulePolicy


@dataclass
class NewestPlayer:
    """Plays one policy of the kinds ``excess_loss`` and ``schedule``, look by look.

    Parameters
    ----------
    board : Board
        The history.
    policy : ExcessLossPolicy or SchedulePolicy
        What decides.
    spec : ModelSpec
        Its train.window and monitor.min_labels.
    gates : Gates or None
        What a version has to pass before it serves; None lets all pass.
    keep : bool
        Keep each decision.
    forced : frozenset of int
        Looks at which a training is made whatever is decided: those of the schedule.
    """

    board: Board
    policy: ExcessLossPolicy | SchedulePolicy
    spec: ModelSpec
    gates: Gates | None = None
    keep: bool = False
    forced: frozenset[int] = frozenset()

    def play(self) -> Play:
        """Play the policy from the first champion on.

        Raises
        ------
        HistoryUnusable
            There is no first champion, or the training window is not in the matrix.
        """
        self._begin()
        for look in range(self._play.first, len(self.board.matrix.looks)):
            self._look(look)
        self._answer(len(self.board.matrix.cells))
        return self._play

    def _begin(self) -> None:
        import numpy as np

        matrix, window = self.board.matrix, self.spec.train.window
        if window not in matrix.windows:
            raise HistoryUnusable(
                f"the spec trains on the window {window!r}, and the matrix has {', '.join(matrix.windows)}; build it "
                "with that window too."
            )
        self._play = Play.begin(self.board)
        # Which version answered each cell; none has the number 0.
        self._versions = np.zeros(len(matrix.cells), dtype="int64")
        self._promotions: list[Promotion] = []
        self._trainings: list[Training] = []
        self._windows: list[Window] = []
        self._waiting = Waiting(self.board)
        ((champion, _),) = self._play.serving.weights
        self._promote(champion[1], champion)

    # One look

    def _look(self, look: int) -> None:
        moment = self.board.matrix.looks[look]
        self._answer(moment.serves)
        self._learn(look)
        epoch = len(self._promotions)
        decision = decide(
            History(tuple(self._promotions), tuple(self._trainings), tuple(self._windows)),
            Signals(moment.now, epoch, str(epoch), "passed"),
            self.policy,
            window=self.spec.train.window,
            min_labels=self.spec.monitor.min_labels,
        )
        is_due = look in self.forced
        self._play.actions.append("retrain" if is_due else decision.action)
        if self.keep:
            self._play.choices.append(decision)
        if is_due or decision.action == "retrain":
            self._train(look, decision.window or self.spec.train.window)

    def _answer(self, until: int) -> None:
        """Let what serves answer up to a cell."""
        self._versions[self._play.answered : until] = len(self._promotions)
        self._play.answer(self.board, until)

    def _learn(self, look: int) -> None:
        """Measure the windows whose labels are enough by now."""
        measured = [self._measured(window, look) for window in self._waiting.due(look)]
        self._windows += [window for window in measured if window]

    def _measured(self, window: int, look: int) -> Window | None:
        """Average what was served in a look's window, over all and by version, as the monitor measures it."""
        matrix = self.board.matrix
        first, last = matrix.looks[window].judged
        sums: dict[int, tuple[float, int]] = {}
        for cell in range(max(first, self._play.servings[0][0]), last):
            loss, known = self.board.counted(self._play.losses, self._play.servings, cell)
            if known:
                version, rows = int(self._versions[cell]), self._labelled(cell, known)
                lost, count = sums.get(version, (0.0, 0))
                sums[version] = (lost + loss * rows, count + rows)
        if not sums:
            return None
        labelled = sum(rows for _, rows in sums.values())
        return Window(
            start=matrix.cells[first].start,
            end=matrix.cells[last - 1].end,
            measured_at=matrix.looks[look].now,
            metric=matrix.metric,
            labelled=labelled,
            loss=sum(lost for lost, _ in sums.values()) / labelled,
            by_version={str(version): VersionLoss(lost / rows, rows) for version, (lost, rows) in sums.items()},
            is_sound=True,
        )

    def _labelled(self, cell: int, known: int) -> int:
        """Count a cell's labelled rows, of which so many sampled ones are known: a full sample stands for all."""
        sampled = int(self.board.matrix.rows[cell])
        whole = sampled if sampled < self.board.matrix.target.shape[1] else self.board.matrix.cells[cell].rows
        return whole * known // sampled

    # What a decision does

    def _train(self, look: int, window: str) -> None:
        matrix = self.board.matrix
        model = (matrix.windows.index(window), look)
        if not matrix.trained[model]:
            # Live such a run fails before it is judged, so that history says nothing of it.
            self._play.trainings.append(Trained.impossible(look, model, matrix))
            return
        challenger = Serving(((model, 1.0),))
        reason = self.gates.refusal(challenger, self._play.serving, model, look) if self.gates else None
        self._play.trainings.append(Trained(look, model, reason is None, float(matrix.seconds[model]), reason))
        if reason is None:
            self._promote(look, model)
            self._play.servings.append((matrix.looks[look].serves, challenger))
        else:
            now, epoch = matrix.looks[look].now, len(self._promotions)
            self._trainings.append(Training(now, "fail", epoch, self._metrics(look, model)))

    def _promote(self, look: int, model: Model) -> None:
        moment, epoch, metrics = self.board.matrix.looks[look], len(self._promotions), self._metrics(look, model)
        self._trainings.append(Training(moment.now, "pass", epoch, metrics))
        self._promotions.append(Promotion(str(epoch + 1), epoch + 1, moment.now, metrics))

    def _metrics(self, look: int, model: Model) -> Mapping[str, float]:
        """Give a model's loss on what it held out, under the name that its evaluation has."""
        matrix = self.board.matrix
        held = range(int(matrix.unseen[look]), matrix.looks[look].judged[1])
        each = self.board.row_losses(Serving(((model, 1.0),)), held, self.board.known.by(look))
        if not each.size:
            return {}
        loss = float(each.mean())
        return {
            "log_loss": {"log_loss": loss},
            "brier": {"brier": loss},
            "zero_one": {"accuracy": 1 - loss},
            "mean_absolute_error": {"mae": loss},
            "mean_squared_error": {"rmse": loss**0.5},
        }[matrix.metric]
