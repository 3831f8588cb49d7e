"""The card as Markdown: sections in a fixed order, each of what is known; what is not known is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.card.changes import changes
from airflow_mlops.stages.card.tables import cell, number, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.stages.card.facts import CardFacts, Judgement

NOT_KNOWN = "not known"
# What MLflow's database has room for in a version's description.
SHORT = 5000
_VERDICTS = {
    "pass": "It passed: it may take the champion's place.",
    "passed": "It passed: it may take the champion's place.",
    "fail": "It failed.",
    "not enough labels": "There were not enough labels to judge it.",
}
_TITLES = {"challenger": "this version", "champion": "champion then", "baseline": "baseline"}
_VALUES = 12


def write_card(facts: CardFacts) -> str:
    """Write the whole card.

    Parameters
    ----------
    facts : CardFacts
        What is known. The same facts give the same text.

    Returns
    -------
    str
        Markdown; values of sensitive columns are not in it.
    """
    return _joined(facts, sections(facts))


def short_card(facts: CardFacts, key: str) -> str:
    """Write as much of the card as MLflow has room for in a version's description, in whole sections.

    Parameters
    ----------
    facts : CardFacts
        What is known.
    key : str
        Names the whole card, so that another card never has the same start.
    """
    chosen: dict[str, str] = {}
    rest = f"The whole card, {key}, is `model_card.md` and `model_card.html` of the run."
    for title, text in sections(facts).items():
        longer = {**chosen, title: text}
        if len(_joined(facts, longer)) + len(rest) + 2 <= SHORT:
            chosen = longer
    return f"{_joined(facts, chosen)}\n{rest}\n"


def sections(facts: CardFacts) -> dict[str, str]:
    """Return the text of each section by its title, in order; a section about nothing is left out."""
    previous = f"version {facts.previous.version}" if facts.previous else "the previous version"
    found = {
        "What it is": _what(facts),
        "Who answers": (facts.committee or "").removeprefix("## Who answers").strip(),
        "Verdict": _verdict(facts),
        f"What changed since {previous}": changes(facts),
        "Approval": _approval(facts),
        "Sensitive columns": _sensitive(facts),
        "Checks": _checks(facts),
        "Metrics": _metrics(facts),
        "Slices": _slices(facts),
        "What it was trained on": _training(facts),
        "Limits of use": _limits(facts),
        "Environment of the training": _environment(facts),
    }
    return {title: text for title, text in found.items() if text}


def _joined(facts: CardFacts, texts: Mapping[str, str]) -> str:
    from skops.card import Card

    name = f"{facts.name}: version {facts.subject.version}"
    card = Card(None, template=None, model_diagram=False)
    card.add(**{name: f"Model {facts.subject.model_id}. Generated from what the stages recorded."})
    for title, text in texts.items():
        card.add(**{f"{name}/{title}": text})
    return card.render().strip() + "\n"


# Sections


def _what(facts: CardFacts) -> str:
    spec, subject = facts.spec, facts.subject
    committee = f"committee of {len(subject.members)}" if len(subject.members) > 1 else "one trained version, corrected"
    rows = [
        ("name", facts.name),
        ("version", subject.version),
        ("description", " ".join(str(spec.get("description") or NOT_KNOWN).split())),
        ("owner", spec.get("owner") or NOT_KNOWN),
        ("task", spec.get("task") or NOT_KNOWN),
        ("predicts", spec.get("data", {}).get("target") or NOT_KNOWN),
        ("form", committee if subject.members else subject.training.estimator),
        ("digest of its bytes", subject.digest),
    ]
    return table(["", ""], rows)


def _verdict(facts: CardFacts) -> str:
    judged = facts.subject.judgement
    if judged is None:
        return "Nothing is recorded of how it was judged."
    ref = judged.ref
    against = f"version {ref['champion_version']}" if ref.get("champion_version") else "no champion"
    gate = "the light gate, as nothing was trained" if ref.get("gate") == "light" else "the full gate"
    rows = judged.report.get("rows")
    on = f", on {rows} held-out rows" if rows else ""
    opening = f"{_VERDICTS.get(ref['verdict'], ref['verdict'])} Judged against {against} by {gate}{on}."
    told = [reason for reason in ref.get("reasons", []) if not _names_sensitive(reason, facts)]
    return "\n".join([opening, "", *(f"- {cell(reason)}" for reason in told)]).strip()


def _approval(facts: CardFacts) -> str:
    given = facts.approval
    if given is None:
        return "No answer is recorded."
    by = ", ".join(given.by) or "nobody had to be asked"
    risks = f" Risks: {', '.join(given.risks)}." if given.risks else ""
    return f"{cell(given.answer).capitalize()} ({cell(by)}): {cell(given.reason.rstrip('.'))}.{risks}"


def _sensitive(facts: CardFacts) -> str:
    if not facts.spec:
        return "Not known: no spec was kept with this version."
    if not facts.sensitive:
        return ""
    used = [name for name in facts.subject.training.columns if name in facts.sensitive]
    reasons = facts.spec.get("features", {}).get("sensitive", {})
    rows = [(name, "yes" if name in used else "no", reasons.get(name, "")) for name in sorted(facts.sensitive)]
    return table(["column", "the model takes it", "why"], rows)


def _checks(facts: CardFacts) -> str:
    judged = facts.subject.judgement
    if judged is None or not judged.checks:
        return "" if judged is None else "No checks are recorded with this evaluation."
    head = ["check", "group", "verdict", "measured", "limit", "rows", "what was found"]
    return table(head, [_check(each, facts) for each in judged.checks])


def _check(check: Mapping[str, Any], facts: CardFacts) -> tuple[Any, ...]:
    measured = number(check.get("value"))
    if check.get("low") is not None or check.get("high") is not None:
        measured += f" ({number(check.get('low')) or '-inf'} to {number(check.get('high')) or 'inf'})"
    name, sentence = check["name"], check["sentence"]
    if _names_sensitive(f"{name} {sentence}", facts):
        name, sentence = name.partition(" = ")[0], "about a sensitive column, whose values are not named"
    return name, check["group"], check["verdict"], measured, number(check.get("limit")), check.get("rows"), sentence


def _metrics(facts: CardFacts) -> str:
    judged = facts.subject.judgement
    scores = _scores(judged) if judged else {}
    if not scores:
        return ""
    names = [name for name in _TITLES if name in scores]
    metrics = dict.fromkeys(metric for name in names for metric in scores[name])
    rows = [[metric, *(scores[name].get(metric) for name in names)] for metric in metrics]
    return table(["metric", *(_TITLES[name] for name in names)], rows)


def _scores(judged: Judgement) -> Mapping[str, Mapping[str, float]]:
    """Take them from the report, or, where that is gone, the metrics that the ledger kept."""
    return judged.report.get("scores") or ({"challenger": judged.ref["metrics"]} if judged.ref.get("metrics") else {})


def _slices(facts: CardFacts) -> str:
    judged = facts.subject.judgement
    shown = [
        each
        for each in (judged.report.get("slices", []) if judged else [])
        if each["column"] not in facts.sensitive
    ]  # fmt: skip
    if not shown:
        return ""
    names = [name for name in _TITLES if name in shown[0]]
    rows = [
        (f"{each['column']} = {each['value']}", each["rows"], *(each.get(name) for name in names)) for each in shown
    ]
    metric = judged.report.get("gate", {}).get("metric", "loss") if judged else "loss"
    return f"{cell(metric)} by slice.\n\n" + table(["slice", "rows", *(_TITLES[name] for name in names)], rows)


def _training(facts: CardFacts) -> str:
    training = facts.subject.training
    features = training.features
    whose = "Its newest member was trained so.\n\n" if len(facts.subject.members) > 1 else ""
    seed = NOT_KNOWN if training.seed is None else training.seed
    rows = [
        ("as of", features.get("now") or NOT_KNOWN),
        ("rows trained on", training.rows),
        ("rows held out", features.get("holdout_rows", NOT_KNOWN)),
        ("held out from", features.get("holdout_start") or NOT_KNOWN),
        ("window", features.get("window") or NOT_KNOWN),
        ("training set", features.get("training_set") or NOT_KNOWN),
        ("estimator", training.estimator),
        ("parameters", json.dumps(training.params, sort_keys=True) if training.params else "none, or not known"),
        ("seed", seed),
        ("digest of the spec", training.spec_digest or NOT_KNOWN),
    ]
    parts = [("rows", each) for each in features.get("snapshots", [])]
    parts += [("labels", each) for each in features.get("label_snapshots", [])]
    listed = [
        (part, each.get("id"), each.get("rows"), each.get("start"), each.get("end"), each.get("digest"))
        for part, each in parts
    ]
    snapshots = table(["part", "snapshot", "rows", "from", "to", "digest"], listed) if listed else ""
    return f"{whose}{table(['', ''], rows)}\n\n{snapshots}".strip()


def _limits(facts: CardFacts) -> str:
    columns = facts.subject.training.columns
    if not columns:
        return "The columns it takes are those of its signature in MLflow; what they held in training is not known."
    rows = [(name, facts.ranges.get(name, {}).get("type"), _seen(name, facts)) for name in columns]
    return (
        "It takes these columns. Of values beyond what it saw in training it knows nothing; one that is missing counts "
        "as unknown.\n\n" + table(["column", "type", "seen in training"], rows)
    )


def _seen(name: str, facts: CardFacts) -> str:
    if name in facts.sensitive:
        return "sensitive, not shown"
    seen = facts.ranges.get(name, {})
    if "min" in seen:
        return f"{number(seen['min'])} to {number(seen['max'])}"
    values = sorted(map(str, seen.get("values", {})))
    if not values:
        return NOT_KNOWN if not seen else ""
    more = max(int(seen.get("distinct", 0)), len(values)) - _VALUES
    return ", ".join(values[:_VALUES]) + (f" and {more} more" if more > 0 else "")


def _environment(facts: CardFacts) -> str:
    environment = facts.subject.training.environment
    return table(["", "version"], sorted(environment.items())) if environment else "Not known."


def _names_sensitive(text: str, facts: CardFacts) -> bool:
    import re

    return any(re.search(rf"\b{re.escape(name)}\b", text) for name in facts.sensitive)
