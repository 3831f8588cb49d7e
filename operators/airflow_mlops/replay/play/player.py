"""Lets one policy decide, look by look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.loop.actions import CHEAP, RETURNS
from airflow_mlops.loop.choice import alone, choose, what_serves
from airflow_mlops.loop.committee import WINDOWS
from airflow_mlops.loop.past import Past, settled
from airflow_mlops.loop.past_of import MONTH, MOST_READINGS, persists
from airflow_mlops.replay.board import NO_SHIFT, Serving, as_weights
from airflow_mlops.replay.play.labelled import Labelled
from airflow_mlops.replay.play.record import Play, Trained

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from airflow_mlops.loop.choice import Choice, VersionsPolicy
    from airflow_mlops.loop.past import Shift
    from airflow_mlops.loop.signal import Signal
    from airflow_mlops.replay.board import Board, Model
    from airflow_mlops.replay.gates import Gates

    # Gives what is measured at a look, where rules ask for it: the look's place, what was done before, what is known.
    Measure = Callable[[int, Play, Past], Mapping[str, Signal]]


@dataclass
class Player:
    """Plays one policy.

    Parameters
    ----------
    board : Board
        The history.
    policy : CommitteePolicy or SinglePolicy or RulesPolicy
        What decides.
    gates : Gates or None
        What a version has to pass before it serves; None lets all pass.
    measure : callable or None
        Gives signals that are measured on rows.
    lag : int
        A training takes the model of so many looks ago: of a matrix without a holdout, the gate needs one labelled
        window that the model has not seen.
    keep : bool
        Keep each decision with its rule tree.
    forced : frozenset of int
        Looks at which a training is made whatever the policy chooses: those of a clock.
    """

    board: Board
    policy: VersionsPolicy
    gates: Gates | None = None
    measure: Measure | None = None
    lag: int = 0
    keep: bool = False
    forced: frozenset[int] = frozenset()

    def play(self) -> Play:
        """Play the policy from the first champion on.

        Raises
        ------
        HistoryUnusable
            There is no first champion, or the policy's training windows are not in the matrix.
        """
        self._begin()
        for look in range(self._play.first, len(self.board.matrix.looks)):
            self._look(look)
        self._play.answer(self.board, len(self.board.matrix.cells))
        return self._play

    def _begin(self) -> None:
        matrix = self.board.matrix
        if missing := [window for window in self.policy.windows if window not in matrix.windows]:
            raise HistoryUnusable(
                f"the policy trains on the window {missing[0]!r}, and the matrix has {', '.join(matrix.windows)}; "
                "build it with that window too."
            )
        self._play = Play.begin(self.board)
        ((champion, _),) = self._play.serving.weights
        self._pool: list[Model] = [champion]
        self._have_served = {champion}
        at = float(self.board.positions[champion[1]])
        self._play.came.append(at)
        self._past = Past(now=at, looks=0, trained=[at], correct=self._correct if self.policy.correction else None)
        self._labelled = Labelled(self.board, self._play, self._past)
        self._keeps_readings = persists(self.policy)

    # One look

    def _look(self, look: int) -> None:
        matrix, past = self.board.matrix, self._past
        self._play.answer(self.board, matrix.looks[look].serves)
        past.now = float(self.board.positions[look])
        past.looks += 1
        self._labelled.learn(look)
        self._fill(look)
        choice = choose(past, self.policy)
        action = "retrain" if look in self.forced else choice.action
        self._play.actions.append(action)
        if self._keeps_readings:
            past.earlier = [*past.earlier, choice.signals][-MOST_READINGS:]
        if self.keep:
            self._play.choices.append(choice)
        if action == "retrain":
            self._train(look, choice.window or self._next_window())
        elif action in CHEAP:
            self._change(look, choice)

    def _fill(self, look: int) -> None:
        past, pool = self._past, self._pool[-self.policy.pool :]
        past.pool = pool
        newest = self._labelled.windows[-WINDOWS:]
        past.losses = self._losses_of(pool, newest)
        past.serving = dict(self._play.serving.weights)
        if self.measure is not None:
            past.measured = self.measure(look, self._play, past)
        self._spend(look)

    def _losses_of(self, pool: Sequence[Model], windows: Sequence[int]) -> np.ndarray:
        import numpy as np

        places = np.array(pool).reshape(-1, 2)
        return self.board.members[places[:, 0][:, None], places[:, 1][:, None], np.array(windows, dtype="int64")]

    def _spend(self, look: int) -> None:
        """Count what was spent in the last month, and whether the last training is too near."""
        if not self._limits:
            return
        looks, past = self.board.matrix.looks, self._past
        now = looks[look].now
        lately = [trained for trained in self._play.trainings if now - looks[trained.look].now < MONTH]
        past.spent_trainings = len(lately)
        past.spent_seconds = sum(trained.seconds for trained in lately)
        last = looks[self._play.trainings[-1].look if self._play.trainings else self._pool[0][1]].now
        past.cools = now - last < self.policy.cooldown

    @property
    def _limits(self) -> bool:
        budget, cooldown = self.policy.budget, self.policy.cooldown
        return bool(cooldown) or any((budget.trainings is not None, budget.seconds, budget.money))

    # What a decision does

    def _correct(self, weights: Mapping[Any, float]) -> Shift | None:
        settings = self.policy.correction
        assert settings is not None
        windows = tuple(self._labelled.windows[-settings.windows :])
        return self.board.shift(as_weights(weights), windows, settings, self._play.serving.shift)

    def _next_window(self) -> str:
        """Return the training window whose turn it is."""
        return self.policy.windows[(len(self._past.trained) - 1) % len(self.policy.windows)]

    def _train(self, look: int, window: str) -> None:
        board, past = self.board, self._past
        model = (board.matrix.windows.index(window), look - self.lag)
        past.trained.append(past.now)
        if not board.matrix.trained[model]:
            past.refused += 1
            self._play.trainings.append(Trained.impossible(look, model, board.matrix))
            return
        self._pool.append(model)
        serving, current = self._with(model), self._play.serving
        reason = None
        if serving == current:
            reason = "the new version gets no weight, so what serves stays as it is"
        elif self.gates is not None:
            reason = self.gates.refusal(serving, current, model, look)
        self._play.trainings.append(Trained(look, model, reason is None, float(board.matrix.seconds[model]), reason))
        if reason is None:
            self._serve(look, serving)
        else:
            past.refused += 1

    def _with(self, model: Model) -> Serving:
        """Weigh the new version with the others, by what was known before the rows that it is judged on."""
        board, past = self.board, self._past
        windows = self._labelled.windows
        if self.gates is not None:
            unseen = int(board.matrix.unseen[model[1]])
            windows = [window for window in windows if board.matrix.looks[window].judged[1] <= unseen]
        pool = self._pool[-self.policy.pool :]
        newest = windows[-WINDOWS:]
        served = past.served[: len(windows)][-WINDOWS:]
        weights = what_serves(pool, self._losses_of(pool, newest), served, self.policy)
        settings = self.policy.correction
        if settings is None:
            return Serving(as_weights(weights))
        serving = self._play.serving.shift
        shift = board.shift(as_weights(weights), tuple(windows[-settings.windows :]), settings, serving)
        return Serving(as_weights(weights), settled(shift, bound=settings.bound, serving=serving))

    def _change(self, look: int, choice: Choice) -> None:
        current = self._play.serving
        shift = current.shift if choice.jump else NO_SHIFT if choice.shift is None else choice.shift.value
        serving = Serving(as_weights(choice.weights), shift)
        if self.gates is not None and not self.gates.light(serving, current, self._labelled.windows[-WINDOWS:]):
            return
        if choice.action in RETURNS:
            self._past.returns.append(self._past.now)
        self._serve(look, serving)

    def _serve(self, look: int, serving: Serving) -> None:
        past, current, newest = self._past, self._play.serving, self._pool[-1]
        # A version that the full gate refused may come to serve later, when its weeks have shown what it is worth.
        if newest not in self._have_served and newest in dict(serving.weights):
            past.refused = 0
            self._have_served.add(newest)
            self._play.came.append(past.now)
        if [model for model, _ in serving.weights] != [model for model, _ in current.weights]:
            past.before, past.came = alone(dict(current.weights)), past.now
        self._play.servings.append((self.board.matrix.looks[look].serves, serving))
