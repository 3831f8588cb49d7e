"""What a version has that the champion it was judged against had not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.card.tables import cell, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_mlops.stages.card.facts import CardFacts, Training, VersionFacts


def changes(facts: CardFacts) -> str:
    """Write what changed as a list, or why nothing can be said."""
    judged, before = facts.subject.judgement, facts.previous
    if before is None:
        if judged is None:
            return "Not known: nothing is recorded of what it was judged against."
        if judged.ref.get("champion_version"):
            return f"Not known: nothing is recorded of version {judged.ref['champion_version']}."
        return "It is the first: nothing served before."
    found = [*_columns(facts.subject.training, before.training), *_training(facts.subject.training, before.training)]
    found += [*_members(facts.subject, before), *_metrics(facts), *_checks(facts.subject, before)]
    return "\n".join(f"- {line}" for line in found) or "Nothing but its bytes."


def _columns(now: Training, then: Training) -> Iterator[str]:
    if not (now.columns and then.columns):
        yield "columns: not known, as no spec was kept with one of the two"
        return
    for word, names in (
        ("added", [name for name in now.columns if name not in then.columns]),
        ("removed", [name for name in then.columns if name not in now.columns]),
    ):
        if names:
            yield f"columns {word}: {cell(', '.join(names))}"
    if _derive(now) != _derive(then):
        yield "derived columns or their transformer changed"


def _derive(training: Training) -> list[Any]:
    features = training.spec.get("features", {})
    return [features.get(name) for name in ("derive", "transformer", "params")]


def _training(now: Training, then: Training) -> Iterator[str]:
    pairs: list[tuple[str, Any, Any]] = [("estimator", then.estimator, now.estimator)]
    if then.seed is not None and now.seed is not None:
        names = sorted(then.params.keys() | now.params.keys())
        pairs += [(f"parameter {name}", then.params.get(name), now.params.get(name)) for name in names]
        pairs.append(("seed", then.seed, now.seed))
    pairs.append(("rows trained on", then.rows, now.rows))
    titles = {"window": "window", "now": "trained as of", "holdout_start": "held out from"}
    pairs += [(title, then.features.get(name), now.features.get(name)) for name, title in titles.items()]
    libraries = sorted(then.environment.keys() & now.environment.keys())
    pairs += [(name, then.environment[name], now.environment[name]) for name in libraries]
    for title, before, after in pairs:
        if before != after:
            yield f"{cell(title)}: {_value(before)} before, {_value(after)} now"


def _members(now: VersionFacts, then: VersionFacts) -> Iterator[str]:
    for name in sorted(now.members.keys() | then.members.keys()):
        before, after = then.members.get(name, 0.0), now.members.get(name, 0.0)
        if before != after and (now.members or then.members):
            yield f"weight of model {cell(name)}: {100 * before:.0f} % before, {100 * after:.0f} % now"


def _metrics(facts: CardFacts) -> Iterator[str]:
    """Compare on the same rows: what the champion lost on the rows that this version was judged on."""
    scores: Mapping[str, Mapping[str, float]] = (
        facts.subject.judgement.report.get("scores", {}) if facts.subject.judgement else {}
    )
    own, champion = scores.get("challenger", {}), scores.get("champion", {})
    for name in own:
        before = champion.get(name)
        if before is not None and before != own[name]:
            yield f"{cell(name)} on the same rows: {number(before)} before, {number(own[name])} now"


def _checks(now: VersionFacts, then: VersionFacts) -> Iterator[str]:
    if not (now.judgement and then.judgement):
        return
    before = {each["name"]: each["verdict"] for each in then.judgement.checks}
    for each in now.judgement.checks:
        known = before.get(each["name"])
        if known is not None and known != each["verdict"]:
            yield f"check {cell(each['name'].partition(' = ')[0])}: {known} before, {each['verdict']} now"


def _value(value: Any) -> str:
    return "none" if value is None else cell(value)
