"""Questions that wait for a person's word: which version, on what evidence, why somebody is asked, until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.events import APPROVAL, PROMOTION, REGISTER, version_of
from airflow_mlops.loop.history import DEPLOY, EVALUATE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_mlops.events import Event
    from airflow_mlops.ledger.reader import LedgerReader

ASKED, FIRST = "asked", "first"
# Only the version registered last is asked about, so there are more answers here than open questions ever.
_MOST = 50


@dataclass(frozen=True, slots=True)
class Question:
    """One version, as one evaluation judged it, waits for a person.

    ``asked_for`` are the risks for which somebody is asked, ``risks`` all of them. ``at`` is event time; ``since`` and
    ``expires`` are the clock's. ``starter`` is who started the run, where a person did, ``first`` who approved first of
    two; with ``four_eyes`` neither may answer. ``approvers`` empty: whoever may write to the runs of the DAG.
    """

    version: str
    evaluation: str
    reason: str
    asked_for: tuple[str, ...]
    risks: tuple[str, ...]
    at: datetime
    since: datetime
    expires: datetime | None
    run: str | None
    starter: str | None
    first: tuple[str, ...]
    first_reason: str | None
    four_eyes: bool | None
    approvers: tuple[str, ...]
    judged: Mapping[str, Any]

    @property
    def set_aside(self) -> tuple[str, ...]:
        """Who may not answer."""
        if not self.four_eyes:
            return ()
        return (*([self.starter] if self.starter else []), *self.first)


def open_questions(ledger: LedgerReader, model: str) -> list[Question]:
    """List what was asked of people and not answered, the newest first.

    A question is over with its answer, with a promotion, a refused deploy, or another version's registration: what was
    judged against the champion before does not serve any more, whatever somebody says.

    Raises
    ------
    LedgerCorrupt
        An event that is read was changed.
    """
    answers = ledger.newest(model, kinds=(APPROVAL,), limit=_MOST)
    settled = {_about(event) for event in answers if event.payload.get("answer") not in (ASKED, FIRST)}
    asked = [event for event in answers if event.payload.get("answer") == ASKED and _about(event) not in settled]
    if not asked:
        return []
    later = ledger.newest(model, kinds=(PROMOTION, REGISTER, DEPLOY), limit=_MOST)
    firsts = {_about(event): event for event in answers if event.payload.get("answer") == FIRST}
    return [
        _question(event, firsts.get(_about(event)), ledger)
        for event in asked
        if not any(each.seq > event.seq and _ends(each, event) for each in later)
    ]


def _ends(later: Event, asked: Event) -> bool:
    if later.kind == DEPLOY:
        return later.payload.get("outcome") == "refused" and version_of(later.payload) == asked.payload.get("version")
    return True


def _about(event: Event) -> tuple[str, str]:
    return str(event.payload.get("version")), str(event.payload.get("evaluation"))


def _question(asked: Event, first: Event | None, ledger: LedgerReader) -> Question:
    payload, (version, evaluation) = asked.payload, _about(asked)
    begun, length = (first or asked).recorded_at, payload.get("expires_s")
    starter = next((name for name in payload.get("by", ()) if name != "the loop"), None)
    judged = ledger.newest(asked.model, kinds=(EVALUATE,), before=asked.seq, limit=_MOST)
    return Question(
        version=version,
        evaluation=evaluation,
        reason=str(payload.get("reason", "")),
        asked_for=tuple(payload.get("asked", ())),
        risks=tuple(payload.get("risks", ())),
        at=asked.at,
        since=begun,
        expires=begun + timedelta(seconds=length) if length else None,
        run=asked.run,
        starter=starter,
        first=tuple(first.payload.get("by", ())) if first else (),
        first_reason=first.payload.get("reason") if first else None,
        four_eyes=payload.get("four_eyes"),
        approvers=tuple(payload.get("approvers", ())),
        judged=next((event.payload for event in judged if event.payload.get("id") == evaluation), {}),
    )
