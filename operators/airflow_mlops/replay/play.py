"""One policy, played over a history: the same code decides that decides live, and a matrix answers for the models."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.loop.actions import CHEAP, RETURNS
from airflow_mlops.loop.choice import alone, choose, what_serves
from airflow_mlops.loop.committee import WINDOWS
from airflow_mlops.loop.past import Past, settled
from airflow_mlops.replay.board import NO_SHIFT, Serving, as_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from airflow_mlops.loop.choice import Choice, VersionsPolicy
    from airflow_mlops.loop.past import Shift
    from airflow_mlops.loop.signal import Signal
    from airflow_mlops.replay.board import Board, Model
    from airflow_mlops.replay.gates import Gates

    # Gives what is measured at a look, where rules ask for it: the look's place, what was done before, what is known.
    Measure = Callable[[int, "Play", Past], Mapping[str, Signal]]

MONTH_DAYS = 30.0
SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Trained:
    """A training that a policy asked for at a look, and whether its version came to serve."""

    look: int
    model: Model
    served: bool
    seconds: float


@dataclass(slots=True)
class Play:
    """What a policy did with a history.

    Attributes
    ----------
    losses : ndarray of shape (n_cells,)
        Mean loss of what served; not a number before the first champion, and where there is no label.
    trainings : list of Trained
        The first champion's left out.
    actions : list of str
        One a look, from the first champion's next look on; ``first`` is that look's place.
    choices : list of Choice or Decision
        All that each decision rested on, where it was asked for.
    servings : list of (int, Serving)
        The first cell that each answered.
    came : list of float
        When versions that were the newest came to serve for the first time, in windows; the first champion's first.
    """

    losses: np.ndarray
    first: int
    trainings: list[Trained] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    choices: list[Any] = field(default_factory=list)
    servings: list[tuple[int, Serving]] = field(default_factory=list)
    came: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Seconds of training."""
        return sum(trained.seconds for trained in self.trainings)


def first_champion(board: Board, window: str) -> Model:
    """Return the first model there is, of this training window or else of any.

    Raises
    ------
    HistoryUnusable
        No look had what a training needs.
    """
    import numpy as np

    matrix = board.matrix
    for look in np.flatnonzero(matrix.trained.any(axis=0)).tolist():
        there = np.flatnonzero(matrix.trained[:, look]).tolist()
        asked = matrix.windows.index(window) if window in matrix.windows else there[0]
        return (asked if asked in there else there[0], look)
    raise HistoryUnusable(
        f"no look of {matrix.name} had rows enough for a training ({len(matrix.looks)} looks); begin later, or "
        "lengthen the history."
    )


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
        self._answer(len(self.board.matrix.cells))
        return self._play

    def _begin(self) -> None:
        import numpy as np

        matrix = self.board.matrix
        if missing := [window for window in self.policy.windows if window not in matrix.windows]:
            raise HistoryUnusable(
                f"the policy trains on the window {missing[0]!r}, and the matrix has {', '.join(matrix.windows)}; "
                "build it with that window too."
            )
        model = first_champion(self.board, "all")
        at = float(self.board.positions[model[1]])
        self._play = Play(np.full(len(matrix.cells), np.nan), model[1] + 1)
        self._pool: list[Model] = [model]
        self._have_served = {model}
        self._served_from = matrix.looks[model[1]].serves
        self._serving = Serving(((model, 1.0),))
        self._play.servings.append((self._served_from, self._serving))
        # Windows of the past that count, as places of their looks, oldest first.
        self._windows: list[int] = []
        self._waiting: list[int] = []
        self._fresh_after: list[float] = [at]
        self._play.came.append(at)
        self._past = Past(now=at, looks=0, trained=[at], correct=self._correct if self.policy.correction else None)

    # One look

    def _look(self, look: int) -> None:
        matrix, past = self.board.matrix, self._past
        self._answer(matrix.looks[look].serves)
        past.now = float(self.board.positions[look])
        past.looks += 1
        self._learn(look)
        self._fill(look)
        choice = choose(past, self.policy)
        action = "retrain" if look in self.forced else choice.action
        self._play.actions.append(action)
        if past.earlier or self._persists:
            past.earlier = [*past.earlier, choice.signals][-50:]
        if self.keep:
            self._play.choices.append(choice)
        if action == "retrain":
            self._train(look, choice.window or self._next_window())
        elif action in CHEAP:
            self._change(look, choice)

    def _answer(self, until: int) -> None:
        """Let what serves answer up to a cell."""
        for cell in range(self._served_from, until):
            self._play.losses[cell] = self.board.loss(self._serving, cell)
        self._served_from = max(until, self._served_from)

    def _learn(self, look: int) -> None:
        """Take in the windows whose labels are enough by now."""
        board, past = self.board, self._past
        self._waiting.append(look)
        due = [window for window in self._waiting if board.ready[window] <= look]
        self._waiting = [window for window in self._waiting if board.ready[window] > look]
        for window in due:
            loss = self._served_loss(window)
            if loss is None:
                continue
            start = float(board.starts[window])
            if past.starts and start < past.starts[-1]:
                self._insert(window, start, loss)
                continue
            self._windows.append(window)
            past.starts.append(start)
            past.served.append(loss)
            if self._fresh_after and start >= self._fresh_after[0] - 1e-9:
                self._fresh_after.pop(0)
                past.fresh.append(loss)

    def _insert(self, window: int, start: float, loss: float) -> None:
        """Take in a window whose labels came after those of a later one: in its place, as a ledger orders them."""
        past, place = self._past, bisect(self._past.starts, start)
        for known, value in ((self._windows, window), (past.starts, start), (past.served, loss)):
            known.insert(place, value)  # type: ignore[arg-type]  # each list gets its own kind
        waiting = list(self._play.came)
        past.fresh.clear()
        for begun, lost in zip(past.starts, past.served, strict=True):
            if waiting and begun >= waiting[0] - 1e-9:
                waiting.pop(0)
                past.fresh.append(lost)
        self._fresh_after = waiting

    def _served_loss(self, window: int) -> float | None:
        """Return what was served lost in a look's window; None where the first champion did not serve all of it."""
        first, last = self.board.matrix.looks[window].judged
        if first < self._play.servings[0][0]:
            return None
        rows, losses = self.board.matrix.rows, self._play.losses
        if last - first == 1:
            return float(losses[first]) if rows[first] else None
        total = int(rows[first:last].sum())
        return (
            sum(float(losses[cell]) * int(rows[cell]) for cell in range(first, last) if rows[cell]) / total
            if total
            else None
        )

    def _fill(self, look: int) -> None:
        past, pool = self._past, self._pool[-self.policy.pool :]
        past.pool = pool
        newest = self._windows[-WINDOWS:]
        past.losses = self._losses_of(pool, newest)
        past.serving = dict(self._serving.weights)
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
        lately = [
            trained
            for trained in self._play.trainings
            if (now - looks[trained.look].now).total_seconds() < MONTH_DAYS * SECONDS_A_DAY
        ]
        past.spent_trainings = len(lately)
        past.spent_seconds = sum(trained.seconds for trained in lately)
        last = looks[self._play.trainings[-1].look if self._play.trainings else self._pool[0][1]].now
        past.cools = now - last < self.policy.cooldown

    @property
    def _limits(self) -> bool:
        budget, cooldown = self.policy.budget, self.policy.cooldown
        return bool(cooldown) or any((budget.trainings is not None, budget.seconds, budget.money))

    @property
    def _persists(self) -> bool:
        from airflow_mlops.spec.rule_sections import Persist, parts

        rules = [rule for rule in (self.policy.train, self.policy.warn) if rule is not None]
        return any(isinstance(part, Persist) for rule in rules for part in parts(rule))

    # What a decision does

    def _correct(self, weights: Mapping[Any, float]) -> Shift | None:
        settings = self.policy.correction
        assert settings is not None
        windows = tuple(self._windows[-settings.windows :])
        return self.board.shift(as_weights(weights), windows, settings, self._serving.shift)

    def _next_window(self) -> str:
        """Return the training window whose turn it is."""
        return self.policy.windows[(len(self._past.trained) - 1) % len(self.policy.windows)]

    def _train(self, look: int, window: str) -> None:
        board, past = self.board, self._past
        model = (board.matrix.windows.index(window), look - self.lag)
        past.trained.append(past.now)
        if not board.matrix.trained[model]:
            past.refused += 1
            self._play.trainings.append(Trained(look, model, served=False, seconds=0.0))
            return
        self._pool.append(model)
        serving = self._with(model)
        # A new version without weight changes nothing, and so brings nothing better.
        passed = serving != self._serving and (
            self.gates is None or self.gates.full(serving, self._serving, model, look)
        )
        self._play.trainings.append(Trained(look, model, passed, float(board.matrix.seconds[model])))
        if passed:
            self._serve(look, serving)
        else:
            past.refused += 1

    def _with(self, model: Model) -> Serving:
        """Weigh the new version with the others, by what was known before the rows that it is judged on."""
        board, past = self.board, self._past
        windows = self._windows
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
        serving = self._serving.shift
        shift = board.shift(as_weights(weights), tuple(windows[-settings.windows :]), settings, serving)
        return Serving(as_weights(weights), settled(shift, bound=settings.bound, serving=serving))

    def _change(self, look: int, choice: Choice) -> None:
        shift = self._serving.shift if choice.jump else NO_SHIFT if choice.shift is None else choice.shift.value
        serving = Serving(as_weights(choice.weights), shift)
        if self.gates is not None and not self.gates.light(serving, self._serving, self._windows[-WINDOWS:]):
            return
        if choice.action in RETURNS:
            self._past.returns.append(self._past.now)
        self._serve(look, serving)

    def _serve(self, look: int, serving: Serving) -> None:
        past, newest = self._past, self._pool[-1]
        # A version that the full gate refused may come to serve later, when its weeks have shown what it is worth.
        if newest not in self._have_served and newest in dict(serving.weights):
            past.refused = 0
            self._have_served.add(newest)
            self._fresh_after.append(past.now)
            self._play.came.append(past.now)
        if [model for model, _ in serving.weights] != [model for model, _ in self._serving.weights]:
            past.before, past.came = alone(dict(self._serving.weights)), past.now
        self._serving = serving
        self._play.servings.append((self.board.matrix.looks[look].serves, serving))
