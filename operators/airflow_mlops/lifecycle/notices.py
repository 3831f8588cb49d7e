"""Tell people what went wrong, and what waits for their word, each once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import NoticeFailed, SpecError
from airflow_mlops.events import FREEZE, NOTICE, PROMOTION
from airflow_mlops.lifecycle.questions import Question, open_questions
from airflow_mlops.loop.history import SIGNALS
from airflow_mlops.loop.incidents import TOLD_OF, incidents_of
from airflow_mlops.loop.notice_words import words_of
from airflow_mlops.loop.notices import Asked, Before, Message, before_of, messages, passed_by
from airflow_mlops.report_access import model_page_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from airflow_mlops.events import Event
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.notify_section import NoticeTarget

    # Takes a notifier's import path and its arguments, and sends; raises whatever the notifier raises.
    Send = Callable[[str, Mapping[str, Any]], None]

_PAGE = 500
# Metrics of a question that a message takes up; the page has all of them.
_METRICS = 6
# Whose metrics stand beside those of the version that is asked about, by the prefix of their names.
_BESIDE = ("champion", "baseline")
# Addresses of chats name who may write to them, in the path or after it; errors of HTTP libraries repeat them.
_WRITABLE = re.compile(r"/(services|workflows|\w*hook\w*)/[^\s'\")]+|\?[^\s'\")]{8,}|xox[a-z]-[\w-]+", re.IGNORECASE)
# Characters of a notifier's error: some bring a whole page.
_ERROR = 300
_READ = tuple(dict.fromkeys((*TOLD_OF, SIGNALS, PROMOTION, FREEZE)))


@dataclass(frozen=True)
class Notices:
    """What the people around one model are told.

    A message is recorded after it was sent: a crash between the two tells it twice, and none is lost. So do two tasks
    that send the same at the same moment.

    Attributes
    ----------
    spec : ModelSpec
        With the section ``notify``; without it nobody is told.
    ledger : Ledger
        Says what went wrong, and what was told.
    send : callable
        Takes a notifier's import path and its arguments, and sends.
    base_url : str
        Of Airflow's pages, for links.
    moment : datetime
        Event time at which the run stands.
    run : str or None
        The run that tells.
    """

    spec: ModelSpec
    ledger: Ledger
    send: Send
    base_url: str
    moment: datetime
    run: str | None = None

    @property
    def url(self) -> str:
        """Address of the model's page."""
        return model_page_url(self.base_url, self.spec.name)

    def tell(self, *, only_questions: bool = False) -> dict[str, list[str]]:
        """Send and record what has not been told; return what was told, by target.

        Parameters
        ----------
        only_questions : bool, default=False
            Leave incidents to the next look.

        Raises
        ------
        NoticeFailed
            One or more notifiers did not send, or an argument is no template; all others were tried, and what they
            sent is on record.
        """
        told: dict[str, list[str]] = {}
        failed: list[str] = []
        found = self._messages(only_questions)
        for message in found:
            # Another task, such as *approve* beside a look, may have sent it while this one sent those before.
            if self.ledger.find(self.spec.name, NOTICE, message.key) is not None:
                continue
            target = self._targets[message.target]
            try:
                arguments = rendered(target.arguments, words_of(self.spec.name, message, self.url))
                self.send(target.notifier, arguments)
            except Exception as error:  # noqa: BLE001 - a notifier may raise anything, and the others are to be tried
                failed.append(f"{message.target} ({target.notifier}): {_said_by(error)}")
                continue
            self._record(message.key, message.to_payload())
            told.setdefault(message.target, []).extend(message.told)
        if failed:
            raise NoticeFailed(
                f"{len(failed)} of {len(found)} messages about {self.spec.name} not sent: {'; '.join(failed)}. Mend "
                "the connection or the arguments in notify.targets; what was sent is not sent again."
            )
        return told

    def _messages(self, only_questions: bool) -> list[Message]:
        if self.spec.notify is None:
            return []
        events = self._events()
        incidents = incidents_of(events)
        notices = self.ledger.events(self.spec.name, kind=NOTICE)
        before = {name: before_of(notices, name) for name in self._targets}
        if not only_questions:
            passed = passed_by(incidents, self.run)
            before = {name: self._begun(name, known, passed) for name, known in before.items()}
        questions = [_asked(each) for each in open_questions(self.ledger, self.spec.name)]
        told = incidents if not only_questions else ()
        return messages(self.spec.notify, told, questions, events, at=self.moment, before=before)

    def _begun(self, name: str, known: Before, passed: int) -> Before:
        """Record, once, from where on a new target is told of what is over already."""
        if known.begun:
            return known
        payload: dict[str, Any] = {"target": name, "why": "begin", "told": [], "day": None, "passed": passed}
        written = self._record(f"{name}|begin", payload)
        return Before(written.payload["passed"], True, known.told, known.days)

    def _record(self, key: str, payload: dict[str, Any]) -> Event:
        return self.ledger.append(self.spec.name, NOTICE, key, payload, at=self.moment, run=self.run)

    @property
    def _targets(self) -> dict[str, NoticeTarget]:
        return self.spec.notify.targets if self.spec.notify else {}

    def _events(self) -> list[Event]:
        """Read all events that incidents are told from: from the last ones alone, an old one would change its id."""
        events: list[Event] = []
        before = None
        while True:
            page = self.ledger.newest(self.spec.name, kinds=_READ, before=before, limit=_PAGE)
            events += page
            if len(page) < _PAGE:
                return events
            before = page[-1].seq


def _said_by(error: Exception) -> str:
    said = _WRITABLE.sub("…", f"{type(error).__name__}: {error}")
    return said if len(said) <= _ERROR else f"{said[:_ERROR]}…"


def rendered(value: Any, words: Mapping[str, str]) -> Any:
    """Fill in templates, however deep they lie; what they bring in is text, and no template itself.

    Raises
    ------
    SpecError
        A text is no template, or uses an unknown name.
    """
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    if isinstance(value, dict):
        return {name: rendered(each, words) for name, each in value.items()}
    if isinstance(value, list):
        return [rendered(each, words) for each in value]
    if not isinstance(value, str):
        return value
    try:
        return SandboxedEnvironment(undefined=StrictUndefined).from_string(value).render(words)
    except TemplateError as error:
        raise SpecError(
            f"{value!r} in notify.targets is no template: {error}; it may use "
            f"{', '.join(words)}, such as '{{{{ text }}}}'."
        ) from error


def _asked(question: Question) -> Asked:
    """Give a question with its evidence: why somebody is asked, what the gate said, metrics, and until when."""
    judged = question.judged
    evidence = _judged(judged.get("ref") or judged) if judged else []
    if question.risks:
        evidence.append(f"risks: {', '.join(question.risks)}")
    if question.first:
        evidence.append(f"approved first by {', '.join(question.first)}: {question.first_reason}")
    if question.approvers:
        left = [each for each in question.approvers if each not in question.set_aside]
        evidence.append(f"may answer: {', '.join(left)}")
    if question.expires:
        evidence.append(f"no answer by {question.expires:%Y-%m-%d %H:%M} UTC is a rejection")
    second = ":second" if question.first else ""
    sentence = f"may version {question.version} serve? {question.reason[:1].upper()}{question.reason[1:]}"
    return Asked(f"approval:{question.version}:{question.evaluation}{second}", sentence, tuple(evidence))


def _judged(ref: Mapping[str, Any]) -> list[str]:
    """Say what the gate found, a reason a line, and the metrics beside those of what serves and of the baseline."""
    reasons = [str(each) for each in (ref.get("reasons") or ())]
    told = {name: value for name, value in (ref.get("metrics") or {}).items() if isinstance(value, int | float)}
    own = [name for name in told if not name.startswith(tuple(f"{each}_" for each in _BESIDE))]
    # What the gate went by stands first; it is in its reasons.
    own.sort(key=lambda name: not any(re.search(rf"\b{re.escape(name)}\b", reason) for reason in reasons))
    metrics = []
    for name in own[:_METRICS]:
        beside = [f"{each} {told[f'{each}_{name}']:.4g}" for each in _BESIDE if f"{each}_{name}" in told]
        metrics.append(f"{name} {told[name]:.4g}" + (f" ({', '.join(beside)})" if beside else ""))
    lines = [f"gate: {ref.get('verdict')}", *(f"- {each}" for each in reasons)]
    return [*lines, f"metrics: {', '.join(metrics)}"] if metrics else lines
