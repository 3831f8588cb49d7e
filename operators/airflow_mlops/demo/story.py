"""The story of a year: a champion serves, the world changes, the loop closes by itself, a broken source is kept out."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.demo import calendar, checks
from airflow_mlops.demo.approver import answering
from airflow_mlops.demo.faults import KILOMETRES_A_MILE, UnitChange, mend
from airflow_mlops.demo.processes import wait_until
from airflow_mlops.demo.records import promotions_of, weeks_of
from airflow_mlops.demo.rehearsal import drill_act, last_drill
from airflow_mlops.demo.runs import MODEL, MONITOR, RETRAIN, Told, expect_success, follow, play, start, with_links
from airflow_mlops.demo.sentences import answered, blocked, looked
from airflow_mlops.demo.settings import USER
from airflow_mlops.demo.year import Year
from airflow_mlops.errors import DemoFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_mlops.demo.airflow_api import AirflowApi
    from airflow_mlops.demo.improvement import Improvement
    from airflow_mlops.demo.records import Promotion, Week
    from airflow_mlops.demo.settings import Settings
    from airflow_mlops.demo.traffic import Answers, ServerClient
    from airflow_mlops.demo.view import Stage
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.refs import DrillRef
    from airflow_mlops.spec import ModelSpec

# Airflow makes the run of an asset's event at the scheduler's next turn, a second or so later.
BELL_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Ending:
    """What is true when the story is told.

    ``repeated`` says whether a week of an earlier telling was told again, and nothing was made twice.
    """

    weeks: list[Week]
    promotions: list[Promotion]
    changes: list[Improvement]
    champion: Promotion
    events: int
    rows: int
    requests: int
    repeated: bool
    runs: list[Told] = field(default_factory=list)
    drill: DrillRef | None = None


class Story:
    """Tell the year, or what is left of it.

    Parameters
    ----------
    settings : Settings
        Of the running stack.
    spec : ModelSpec
        The shipped one.
    stage : Stage
        Where people look.
    api : AirflowApi
        The stack's Airflow.
    server : ServerClient
        The stack's model server.
    """

    def __init__(
        self, settings: Settings, spec: ModelSpec, stage: Stage, *, api: AirflowApi, server: ServerClient
    ) -> None:
        self.settings = settings
        self.spec = spec
        self.stage = stage
        self.api = api
        self.server = server
        self.year = Year(spec)
        self._logs = Path(settings.folder, "airflow", "logs")
        self._answers: list[Answers] = []
        self._runs: list[Told] = []

    def tell(self) -> Ending:
        """Tell every act, and check what must have happened.

        Raises
        ------
        DemoFailed
            Something did not happen; the sentence says what.
        """
        mend(self.settings.faults)
        for dag in (MONITOR, RETRAIN):
            self.api.wait_for_dag(dag.dag_id)
        self._finish_what_runs()
        told = self._told()
        repeated = bool(told)
        if not self._promotions():
            self._first_act()
        elif told:
            self._repeat(told[-1])
        numbers = calendar.next_weeks(len({week.now for week in told if not week.is_blocked}))
        self.stage.expect(len(numbers))
        self._second_act([number for number in numbers if number != calendar.TOLD_FIRST - 1])
        if calendar.TOLD_FIRST - 1 in numbers:
            self._third_act(calendar.week(calendar.TOLD_FIRST - 1))
            now, watch = self._told()[-1].now, self._watch(quiet=True)
            self._runs.append(drill_act(self.stage, self.api, now, self._agreed, watch, self._logs))
        return self._ending(repeated=repeated)

    # Acts

    def _first_act(self) -> None:
        self.stage.act(
            "First act: a champion",
            "At midnight of 1 March 2013 somebody starts the retrain DAG, this once. It learns from January and "
            "February, proves itself on two weeks it has not seen, and serves once somebody has read the evidence and "
            "approved: the form asks for that, this once too.",
        )
        run = play(self.api, RETRAIN, calendar.START.isoformat(), self._watch(), logs=self._logs, ask=True)
        self._runs.append(run)

    def _second_act(self, numbers: list[int]) -> None:
        if not numbers:
            return
        self.stage.act(
            "Second act: the year goes on",
            "Each week every flight is asked of the model server over HTTP. At its end the monitor looks at the rows, "
            "and at what became of the flights whose delay is known by then. From here on nobody starts a training.",
        )
        for number in numbers:
            self._live(calendar.week(number))

    def _third_act(self, week: calendar.Week) -> None:
        self.stage.act(
            "Third act: a source breaks",
            "From one day to the next the source sends distances in kilometres, still called miles. A model that "
            "learned from that would be wrong for good.",
        )
        before = self._promotions()[-1]
        runs = self.api.run_ids(RETRAIN.dag_id)
        UnitChange("distance", KILOMETRES_A_MILE, since=week.start).plant(self.settings.faults)
        try:
            self._ask(week)
            self._blocked(week)
        finally:
            mend(self.settings.faults)
        serving = self._agreed()
        if self.api.run_ids(RETRAIN.dag_id) != runs or serving.epoch != before.epoch:
            raise DemoFailed(f"the retrain DAG ran in the week of {week}, whose data was blocked")
        self.stage.say(f"Version {serving.version} goes on serving. The source is mended, and the same week again:")
        self._judge(week)
        self.stage.advance()

    def _blocked(self, week: calendar.Week) -> None:
        told = follow(self.api, MONITOR, start(self.api, MONITOR, week.end.isoformat()), self.stage.watch(quiet=True))
        states = {task.task_id: task.state for task in told.run.tasks}
        if states["validate"] != "failed" or states["decide"] != "success":
            raise DemoFailed(f"kilometres passed for miles: the monitor's tasks ended as {states}", log=self._logs)
        found = self._told()[-1]
        if found.action == "retrain":
            raise DemoFailed(f"the broken data of {week} asked for a training: {'; '.join(found.reasons)}")
        self._runs.append(with_links(self.api, told))
        self.stage.say(blocked(week, found))
        self.stage.bars(self._told())

    def _watch(self, *, quiet: bool = False) -> Callable[[Told], None]:
        return answering(self.api, self.stage.watch(quiet=quiet))

    # A week

    def _live(self, week: calendar.Week) -> None:
        self._ask(week)
        self._judge(week)
        self.stage.advance()

    def _ask(self, week: calendar.Week) -> None:
        """Ask the server about every flight of a week, as the source sends it."""
        rows = self.year.flights(week, faults=self.settings.faults)
        doing = f"week of {week}: {{:,}} of {rows.num_rows:,} flights answered"
        answers = self.server.ask(
            MODEL, rows, columns=self.year.sent, progress=lambda done: self.stage.doing(doing.format(done))
        )
        self._answers.append(answers)

    def _judge(self, week: calendar.Week) -> None:
        """Let the monitor look at the end of a week, and see what it asks for through to its end."""
        known = self.api.run_ids(RETRAIN.dag_id)
        self.stage.doing(f"week of {week}: the monitor looks")
        told = play(self.api, MONITOR, week.end.isoformat(), self.stage.watch(quiet=True), logs=self._logs)
        found = self._told()[-1]
        self.stage.say(looked(week, found, self._answers[-1] if self._answers else None))
        if found.action == "retrain":
            self._runs.append(told)
            self._retrain(week, known)
        self.stage.bars(self._told())

    def _retrain(self, week: calendar.Week, known: list[str]) -> None:
        """Wait for the run that the asset starts, and for its end; nobody triggers it here."""
        new: list[str] = []

        def has_come() -> bool:
            new[:] = [run for run in self.api.run_ids(RETRAIN.dag_id) if run not in known]
            return bool(new)

        self.stage.doing(f"week of {week}: the retrain DAG has heard the bell")
        if not wait_until(has_come, timeout_s=BELL_TIMEOUT_S, every_s=0.2):
            raise DemoFailed(
                f"the monitor asked for a training in the week of {week}, and {RETRAIN.dag_id} did not start within "
                f"{BELL_TIMEOUT_S:.0f} s",
                log=self._logs,
            )
        told = follow(self.api, RETRAIN, new[-1], self.stage.watch())
        expect_success(self.api, told, logs=self._logs, may_skip=True)
        self._runs.append(with_links(self.api, told))
        serving = self._agreed()
        if self._told()[-1].outcome is None:
            raise DemoFailed(f"the training of {week} ended without a promotion or a refusal", log=self._logs)
        self.stage.say(answered(self._told()[-1], serving))

    def _repeat(self, last: Week) -> None:
        """Tell the last week once more: what is done already is found again."""
        self.stage.act(
            "Once more",
            f"This folder has told the year up to {last.now:%d %B} already. The monitor looks at its last week again, "
            "and must find everything done; then the year goes on.",
        )
        before = len(checks.events_of(self.ledger))
        play(self.api, MONITOR, last.now.isoformat(), self.stage.watch(), logs=self._logs)
        after = len(checks.events_of(self.ledger))
        if after == before:
            self.stage.say(f"Nothing was done twice: the ledger has {after} events, as before.")
        elif last.outcome != "promoted":
            raise DemoFailed(f"the ledger had {before} events, and {after} after the same week was looked at again")
        else:
            self.stage.say("The week ended with a promotion: looked at with the new champion, it is another fact.")

    def _finish_what_runs(self) -> None:
        """See runs through that an earlier telling left behind."""
        for dag in (MONITOR, RETRAIN):
            for run_id in reversed(self.api.run_ids(dag.dag_id, states=("queued", "running"))):
                self.stage.doing(f"run {run_id} of {dag.dag_id} comes to its end")
                follow(self.api, dag, run_id, self._watch(quiet=True))

    # What is true

    @cached_property
    def ledger(self) -> Ledger:
        """The stack's ledger."""
        from airflow_mlops.ledger import Ledger

        return Ledger(self.settings.ledger_url)

    def _told(self) -> list[Week]:
        return weeks_of(self.ledger.events(MODEL))

    def _promotions(self) -> list[Promotion]:
        return promotions_of(self.ledger.events(MODEL))

    def _agreed(self) -> Promotion:
        return checks.one_champion(self.settings, self._promotions(), self.server)

    def _ending(self, *, repeated: bool) -> Ending:
        self.stage.doing("comparing what was served with what the replaced versions would have said")
        events = checks.events_of(self.ledger)
        weeks, promotions = weeks_of(events), promotions_of(events)
        changes = self.year.changes(promotions, now=weeks[-1].now, artifacts=self.settings.artifacts)
        checks.expect_story(weeks, promotions, changes)
        return Ending(
            weeks=weeks,
            promotions=promotions,
            changes=changes,
            champion=self._agreed(),
            events=len(events),
            rows=sum(answers.rows for answers in self._answers),
            requests=sum(answers.requests for answers in self._answers),
            repeated=repeated,
            runs=self._runs,
            drill=last_drill(events),
        )


def connected(settings: Settings, spec: ModelSpec, stage: Stage) -> Story:
    """Make the story of a running stack."""
    from airflow_mlops.demo.airflow_api import AirflowApi
    from airflow_mlops.demo.traffic import ServerClient

    api = AirflowApi(settings.airflow_url, username=USER, password=settings.password)
    return Story(settings, spec, stage, api=api, server=ServerClient(settings.server_url, settings.token))
