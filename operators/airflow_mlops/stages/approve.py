"""What somebody reads who is asked whether a version may serve: one page of Markdown, made of what is on record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.markdown import inert
from airflow_mlops.loop.risk import added_columns, sensitive_columns
from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

    from airflow_mlops.events import Champion
    from airflow_mlops.refs import EvaluationRef, ModelRef
    from airflow_mlops.spec.sections import ModelSpec

# What every challenger has.
_ALWAYS = ("every_change", "every_training")
_PLAIN = {
    "every_change": "the spec wants a person for every change",
    "every_training": "the spec wants a person for every training",
    "first_version": "nothing has served before it, so there was no champion to compare it with",
    "budget_spent": "an error budget of this model is spent, so nothing goes by itself",
}


@dataclass(frozen=True)
class Question:
    """Everything that is known when a person is asked.

    ``asked_for`` are the risks for which a person has to be asked, none where only the run's form asks; ``checks`` are
    those of the gate as dicts; ``links`` lead to further pages by their names.
    """

    spec: ModelSpec
    model: ModelRef
    evaluation: EvaluationRef
    champion: Champion | None
    asked_for: Sequence[str]
    expires: timedelta
    checks: Sequence[Mapping[str, Any]] = ()
    links: Mapping[str, str | None] = field(default_factory=dict)
    first: str | None = None

    def subject(self) -> str:
        """Return the headline."""
        return f"May version {self.model.version} of {self.spec.name} serve?"

    def body(self) -> str:
        """Write the page."""
        return "\n\n".join(
            [
                self._why(),
                self._changes(),
                "### What the gate found\n\n" + self._gate(),
                self._answers(),
                self._more(),
            ]
        ).rstrip()

    def _why(self) -> str:
        sentences = [self._sentence(risk) for risk in self.asked_for]
        if not sentences:
            sentences = ["the form of this run asks for a person, whatever the spec says"]
        if self.first:
            sentences.append(f"{self.first} approved already, and approval.four_eyes wants a second person")
        return "### Why you are asked\n\n" + _bullets(sentences)

    def _sentence(self, risk: str) -> str:
        columns = (((self.champion and self.champion.payload) or {}).get("rows") or {}).get("columns", ())
        if risk == "new_columns":
            return f"it takes columns that what serves does not take: {_code(added_columns(self.spec, columns))}"
        if risk == "new_estimator":
            return f"it is a `{self.model.estimator}`, and nothing that serves is"
        if risk == "sensitive_columns":
            named = sorted(sensitive_columns(self.spec))
            reasons = "; ".join(f"`{name}`: {self.spec.features.sensitive.get(name, 'no reason')}" for name in named)
            return f"it takes sensitive columns ({reasons})"
        found = [str(check["sentence"]) for check in self.checks if check.get("risk") == risk]
        return "; ".join(found) or _PLAIN.get(risk, risk)

    def _changes(self) -> str:
        if self.champion is None:
            serves = "Nothing serves now: this would be the first version."
        else:
            serves = (
                f"Version **{self.champion.version}** serves now, since {self.champion.since:%Y-%m-%d %H:%M} UTC "
                f"(epoch {self.champion.epoch})."
            )
        trained = f"{self.model.rows:,} rows, window {self.model.features.get('window', self.spec.train.window)}"
        facts = [
            f"asked for: **{self.evaluation.action}**",
            f"estimator `{self.model.estimator}`, trained on {trained}",
            f"{len(self.spec.features.columns)} columns: {_code(self.spec.features.columns)}",
            *(self._sentence(risk) for risk in self.evaluation.risks if risk not in (*_ALWAYS, *self.asked_for)),
        ]
        heading = f"### What would change\n\n{serves} Version **{self.model.version}** would take over:"
        return f"{heading}\n\n{_bullets(facts)}"

    def _gate(self) -> str:
        if not self.checks:
            return _bullets(self.evaluation.reasons) or "Nothing is on record."
        lines = ["| check | verdict | found |", "| --- | --- | --- |"]
        lines += [
            f"| {_cell(check['name'])} | {_cell(check['verdict'])} | {_cell(check['sentence'])} |"
            for check in self.checks
        ]
        return "\n".join(lines)

    def _answers(self) -> str:
        stays = "the champion stays" if self.champion else "nothing serves"
        return (
            "### What your answer does\n\n**Approve**: it is tried out and takes over at once. "
            f"**Reject**: {stays}, and this evaluation is not asked about again. Give a **reason** either way; without "
            f"one the answer does not count. After {format_duration(self.expires)} without an answer it is rejected."
        )

    def _more(self) -> str:
        return " · ".join(f"[{name}]({url})" for name, url in self.links.items() if url)


def _bullets(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {inert(sentence)}" for sentence in sentences)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _cell(text: Any) -> str:
    return inert(str(text)).replace("|", "\\|")
