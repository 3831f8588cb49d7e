"""What a card is written from: plain facts, read off what the stages left behind."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Training:
    """How a version was trained, or the newest member of a committee.

    ``features`` is a `FeaturesRef` as a dict; ``spec`` the spec kept with the model, empty where none was; ``params``,
    ``seed`` and ``environment`` are empty or None where nothing was kept.
    """

    estimator: str
    rows: int
    features: Mapping[str, Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    spec_digest: str | None = None

    @property
    def columns(self) -> list[str]:
        """Raw columns it takes; none where the spec is not known."""
        return list(self.spec.get("features", {}).get("columns", []))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate found: ``ref`` is an `EvaluationRef` as a dict, ``report`` its report, empty where it is gone."""

    ref: Mapping[str, Any]
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def checks(self) -> list[Mapping[str, Any]]:
        """Every check, as `Check.to_dict` gives it; none of the light gate, and of reports of earlier releases."""
        return list(self.report.get("gate", {}).get("checks", []))


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """A version: what its bytes are, how it was trained, who its members are, and how it was judged."""

    version: str
    model_id: str
    digest: str
    training: Training
    members: Mapping[str, float] = field(default_factory=dict)
    judgement: Judgement | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """Who let it serve: ``answer`` is "approved", "rejected" or "automatic"."""

    answer: str
    by: tuple[str, ...]
    reason: str
    risks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Everything that a card says.

    Attributes
    ----------
    name : str
        Of the model.
    subject : VersionFacts
        The version that the card is of.
    previous : VersionFacts or None
        The champion it was judged against.
    committee : str or None
        What `committee_card` writes of its members.
    approval : Approval or None
        None as long as nobody was asked.
    ranges : dict
        What was seen in training, by raw column: {"type", "minimum", "maximum", "values"}; none of sensitive columns.
    """

    name: str
    subject: VersionFacts
    previous: VersionFacts | None = None
    committee: str | None = None
    approval: Approval | None = None
    ranges: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def spec(self) -> Mapping[str, Any]:
        """The spec by which it was trained; empty where none was kept."""
        return self.subject.training.spec

    @property
    def sensitive(self) -> frozenset[str]:
        """Columns whose values are never shown."""
        return frozenset(self.spec.get("data", {}).get("sensitive", []))

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object; the same facts give the same card."""
        return asdict(self)
