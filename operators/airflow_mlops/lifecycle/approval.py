"""Who let a version serve: what a challenger risks by the ledger, and the answers on record.

An answer is about a version as one evaluation judged it. It is recorded once: a second run, a retry or a cleared task
finds it, and nobody is asked twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.errors import ApprovalMissing
from airflow_mlops.events import APPROVAL
from airflow_mlops.lifecycle.budgets import is_budget_spent
from airflow_mlops.loop.history import TRAIN
from airflow_mlops.loop.risk import Served, risks_of, risks_to_approve, sensitive_columns
from airflow_mlops.refs import ApprovalRef
from airflow_mlops.spec.control_sections import ApprovalSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from mlflow import MlflowClient

    from airflow_mlops.events import Event
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.loop.gate import Check
    from airflow_mlops.refs import EvaluationRef, ModelRef
    from airflow_mlops.spec import ModelSpec

APPROVED, REJECTED, AUTOMATIC = "approved", "rejected", "automatic"
# Of two people who have to answer the first has, and a person was asked: neither says yet whether it may serve.
FIRST, ASKED = "first", "asked"
THE_CLOCK = "the clock"


def risks_on_record(
    ledger: Ledger, spec: ModelSpec, model: ModelRef, *, action: str = "retrain", checks: Iterable[Check] = ()
) -> list[str]:
    """Find the risks of a challenger beside what the ledger says serves.

    Parameters
    ----------
    ledger : Ledger
        Says what serves, of which estimators it is made, and what people approved.
    spec : ModelSpec
        Of the model.
    model : ModelRef
        The challenger: what was trained, or a committee.
    action : str
        What was asked for.
    checks : iterable of Check
        Of its gate.
    """
    champion = ledger.state(spec.name).champion
    trained = {event.key: str(event.payload.get("estimator")) for event in ledger.events(spec.name, kind=TRAIN)}
    served = None if champion is None else _served(ledger, spec.name, champion.payload, trained)
    estimators = _estimators(model.to_dict(), trained)
    return list(risks_of(spec, estimators=estimators, served=served, action=action, checks=checks))


def _served(ledger: Ledger, name: str, promotion: Mapping[str, Any], trained: Mapping[str, str]) -> Served:
    approved = {
        column
        for event in ledger.events(name, kind=APPROVAL)
        if event.payload["answer"] == APPROVED
        for column in event.payload.get("sensitive", ())
    }
    return Served(
        columns=frozenset((promotion.get("rows") or {}).get("columns", ())),
        estimators=_estimators(promotion.get("model") or {}, trained),
        approved=frozenset(approved),
    )


def _estimators(model: Mapping[str, Any], trained: Mapping[str, str]) -> frozenset[str]:
    """Name the estimators of a model's members; of one that is no committee, its own."""
    own = {str(model.get("id")): str(model.get("estimator"))}
    known = {**trained, **own}
    return frozenset(known[member] for member in model.get("members") or own if member in known)


def answer_on_record(ledger: Ledger, name: str, version: str, evaluation_id: str) -> Event | None:
    """Return the final answer of people about a version as one evaluation judged it, or None."""
    return ledger.find(name, APPROVAL, _key(version, evaluation_id))


def expect_approved(ledger: Ledger, spec: ModelSpec, version: str, evaluation: EvaluationRef) -> None:
    """Refuse a version that a person rejected, or had to approve and did not.

    Raises
    ------
    ApprovalMissing
        The sentence names who rejected it, or what would have to be approved.
    """
    found = answer_on_record(ledger, spec.name, version, evaluation.id)
    if found is not None and found.payload["answer"] == REJECTED:
        raise ApprovalMissing(
            f"version {version} of {spec.name} was rejected by {', '.join(found.payload['by'])}: "
            f"{found.payload['reason']}. The champion stays; train again for another evaluation."
        )
    asked = risks_to_approve(spec, evaluation.risks)
    if found is None and asked:
        raise ApprovalMissing(
            f"version {version} of {spec.name} needs a person's approval for {', '.join(asked)} (approval.needs), and "
            f"evaluation {evaluation.id} has none on record. Run the task approve first, by {spec.name}_retrain."
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: from a person, or from the clock when nobody answered in time.

    ``names`` are all the words by which Airflow knows who answered, the id first.
    """

    is_approved: bool
    reason: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, event: Mapping[str, Any], *, approve: str) -> Self:
        """Read what Airflow resumes a task with; ``approve`` is the option that approves."""
        user = event.get("responded_by_user")
        is_approved = event["chosen_options"] == [approve]
        if user is None:
            return cls(is_approved=False, reason="nobody answered in time (approval.expires)", names=(THE_CLOCK,))
        reason = str((event.get("params_input") or {}).get("reason") or "").strip()
        return cls(is_approved, reason, tuple(dict.fromkeys((str(user["id"]), str(user["name"])))))

    @property
    def by(self) -> str:
        """Id of who answered."""
        return self.names[0]


@dataclass(frozen=True)
class Approval:
    """The question whether one version, as one evaluation judged it, may serve.

    ``starter`` is who started the run, where a person did; ``first`` what the first of two people said.
    """

    spec: ModelSpec
    ledger: Ledger
    model: ModelRef
    evaluation: EvaluationRef
    moment: datetime
    run: str | None = None
    starter: str | None = None
    first: ApprovalRef | None = None

    def settled(self, *, ask: bool = False) -> ApprovalRef | None:
        """Return the answer where nobody has to be asked now; None where a person does.

        Parameters
        ----------
        ask : bool
            Somebody wants a person to be asked, whatever the spec says.
        """
        if self.first is not None and self.first.answer != FIRST:
            return self.first
        if found := answer_on_record(self.ledger, self.spec.name, self.version, self.evaluation.id):
            return self._ref(found)
        half = self._find(FIRST)
        if half is not None and self.first is None:
            return self._ref(half)
        champion = self.ledger.state(self.spec.name).champion
        if champion is not None and champion.version == self.version:
            if earlier := self._find(AUTOMATIC):
                return self._ref(earlier)
            return ApprovalRef(AUTOMATIC, self.version, "it serves already", list(self.evaluation.risks))
        if ask or self.asked_for:
            return None
        risks = ", ".join(self.evaluation.risks) or "none"
        return self._record(AUTOMATIC, reason=f"nobody is asked for its risks: {risks}", by=[], key=AUTOMATIC)

    @property
    def asked_for(self) -> list[str]:
        """Risks for which a person has to be asked."""
        is_spent = is_budget_spent(self.ledger, self.spec, as_of=self.moment)
        return risks_to_approve(self.spec, self.evaluation.risks, is_budget_spent=is_spent)

    @property
    def version(self) -> str:
        """The version in question."""
        return str(self.model.version)

    @property
    def rules(self) -> ApprovalSpec:
        """The section of the spec; without one, its defaults."""
        return self.spec.approval or ApprovalSpec()

    def respondents(self) -> list[str]:
        """Return the user ids that may answer; empty: whoever Airflow lets.

        Raises
        ------
        ApprovalMissing
            With four eyes, nobody of ``approval.approvers`` is left who may.
        """
        left = [user for user in self.rules.approvers if user not in self._set_aside()]
        if self.rules.approvers and not left:
            raise ApprovalMissing(
                f"nobody is left to approve version {self.version} of {self.spec.name}: with approval.four_eyes "
                f"neither {' nor '.join(self._set_aside())} may answer, and approval.approvers names nobody else. "
                "Name more people there."
            )
        return left

    def record_asked(self) -> None:
        """Record, once, that a person was asked, and who may answer until when, for those who wait for the answer."""
        reason = f"asked for {', '.join(self.asked_for)}" if self.asked_for else "asked by the run's form"
        rules = self.rules
        self._record(
            ASKED,
            reason=reason,
            by=[self.starter or "the loop"],
            key=ASKED,
            expires_s=rules.expires.total_seconds(),
            four_eyes=rules.four_eyes,
            approvers=list(rules.approvers),
        )

    def record_answer(self, answer: Answer) -> ApprovalRef:
        """Record an answer that counts.

        Raises
        ------
        ApprovalMissing
            It gives no reason, or with four eyes comes from who started the run or answered first.
        """
        self._expect_counts(answer)
        if not answer.is_approved:
            return self._record(REJECTED, reason=answer.reason, by=[answer.by])
        if self.first is not None:
            both = [*self.first.by, answer.by]
            return self._record(APPROVED, reason=f"{self.first.reason}; {answer.reason}", by=both)
        if self.rules.four_eyes:
            return self._record(FIRST, reason=answer.reason, by=[answer.by], key=FIRST)
        return self._record(APPROVED, reason=answer.reason, by=[answer.by])

    def _expect_counts(self, answer: Answer) -> None:
        if not answer.reason:
            raise ApprovalMissing(
                f"{answer.by} answered for version {self.version} of {self.spec.name} without a reason, so the answer "
                "does not count and the champion stays. Clear this task to be asked again."
            )
        if not set(answer.names) & set(self._set_aside()):
            return
        raise ApprovalMissing(
            f"{answer.by} may not answer here for version {self.version} of {self.spec.name}: approval.four_eyes wants "
            "two people, neither of them the one who started the run, and this one started it or answered before. The "
            "champion stays; clear this task, and let somebody else answer."
        )

    def _set_aside(self) -> list[str]:
        """Name who may not answer."""
        if not self.rules.four_eyes:
            return []
        return [*([self.starter] if self.starter else []), *(self.first.by if self.first else [])]

    def _find(self, part: str) -> Event | None:
        return self.ledger.find(self.spec.name, APPROVAL, _key(self.version, self.evaluation.id, part))

    def _record(self, answer: str, *, reason: str, by: list[str], key: str = "", **further: Any) -> ApprovalRef:
        champion = self.ledger.state(self.spec.name).champion
        payload = {
            "version": self.version,
            "evaluation": self.evaluation.id,
            "model_id": self.model.id,
            "answer": answer,
            "by": by,
            "reason": reason,
            "risks": list(self.evaluation.risks),
            "asked": self.asked_for,
            "sensitive": sorted(sensitive_columns(self.spec)),
            **further,
        }
        at = max(self.moment, champion.since) if champion else self.moment
        name = _key(self.version, self.evaluation.id, key)
        return self._ref(self.ledger.append(self.spec.name, APPROVAL, name, payload, at=at, run=self.run))

    @staticmethod
    def _ref(event: Event) -> ApprovalRef:
        return ApprovalRef.from_dict(event.payload)


def show(client: MlflowClient, model: ModelRef, answer: ApprovalRef) -> None:
    """Tag the version in MLflow with the answer; a second time changes nothing."""
    name, version = str(model.registered_name), str(model.version)
    client.set_model_version_tag(name, version, "mlops.approval", answer.answer)
    if answer.by:
        client.set_model_version_tag(name, version, "mlops.approved_by", ", ".join(answer.by))


def _key(version: str, evaluation_id: str, part: str = "") -> str:
    return ":".join(filter(None, (version, evaluation_id, part)))
