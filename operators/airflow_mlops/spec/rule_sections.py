"""Rules over signals, as a spec writes them: comparisons, and what joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator
from typing_extensions import TypeAliasType

from airflow_mlops.spec.section import Section
from airflow_mlops.spec.vocabulary import SignalName

if TYPE_CHECKING:
    from collections.abc import Iterator


class RuleSection(Section):
    """Base of the rules; ``not`` is a word of Python, so that key has another name inside."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Compare(RuleSection):
    """Whether a signal's value reaches a bound, or its verdict is one of some."""

    signal: SignalName = Field(description="Which signal.")
    at_least: float | None = Field(None, allow_inf_nan=False, description="True from this value on.")
    at_most: float | None = Field(None, allow_inf_nan=False, description="True up to this value.")
    verdict: Literal["stable", "watch", "drifted"] | None = Field(None, description="True where this is the verdict.")

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        asked = [name for name in ("at_least", "at_most", "verdict") if getattr(self, name) is not None]
        if len(asked) != 1:
            found = " and ".join(asked) or "none of them"
            raise ValueError(
                f"a comparison of {self.signal!r} asks one question: at_least, at_most or verdict; found {found}"
            )
        return self


class All(RuleSection):
    """True where each of several rules is."""

    all: tuple[Rule, ...] = Field(min_length=1)


class AnyOf(RuleSection):
    """True where one of several rules is."""

    any: tuple[Rule, ...] = Field(min_length=1)


class Not(RuleSection):
    """True where another rule is not."""

    not_: Rule = Field(alias="not")


class Count(RuleSection):
    """True where so many of several rules are."""

    count: int = Field(ge=1, description="So many, or more.")
    of: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.count > len(self.of):
            raise ValueError(f"count {self.count} of {len(self.of)} rules can never be reached")
        return self


class Persist(RuleSection):
    """True where a rule was true at so many of the last looks, this one among them."""

    persist: Rule
    times: int = Field(ge=1, description="At so many looks, or more.")
    last: int = Field(ge=1, le=50, description="Of so many.")

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.times > self.last:
            raise ValueError(f"{self.times} times in the last {self.last} looks can never be reached")
        if any(isinstance(found, Persist) for found in parts(self.persist)):
            raise ValueError("persist within persist: count the looks once, in the outer one")
        return self


# The key that tells a form from the others, and the form's word; by attribute where that has another name.
_FORMS = {
    "signal": "compare",
    "all": "all",
    "any": "any",
    "not": "not",
    "not_": "not",
    "count": "count",
    "of": "count",
    "persist": "persist",
}


def form_of(value: Any) -> str | None:
    """Tell the form of a rule by its keys; what has none of them is no rule."""
    keys = value if isinstance(value, dict) else type(value).model_fields if isinstance(value, RuleSection) else ()
    return next((form for key, form in _FORMS.items() if key in keys), None)


Rule = TypeAliasType(
    "Rule",
    Annotated[
        Annotated[Compare, Tag("compare")]
        | Annotated[All, Tag("all")]
        | Annotated[AnyOf, Tag("any")]
        | Annotated[Not, Tag("not")]
        | Annotated[Count, Tag("count")]
        | Annotated[Persist, Tag("persist")],
        Discriminator(
            form_of,
            custom_error_type="rule",
            custom_error_message=(
                "expected a rule: {signal, and at_least, at_most or verdict}, {all: [..]}, {any: [..]}, {not: ..}, "
                "{count, of: [..]} or {persist: .., times, last}"
            ),
        ),
    ],
)

for _section in (All, AnyOf, Not, Count, Persist):
    _section.model_rebuild()


def placed(rule: Rule, at: tuple[str | int, ...] = ()) -> Iterator[tuple[Rule, tuple[str | int, ...]]]:
    """Yield a rule and all rules inside it with their paths of keys, the outer before the inner."""
    yield rule, at
    if isinstance(rule, Not):
        yield from placed(rule.not_, (*at, "not"))
    elif isinstance(rule, Persist):
        yield from placed(rule.persist, (*at, "persist"))
    elif not isinstance(rule, Compare):
        key = "all" if isinstance(rule, All) else "any" if isinstance(rule, AnyOf) else "of"
        for place, part in enumerate(getattr(rule, key)):
            yield from placed(part, (*at, key, place))


def parts(rule: Rule) -> list[Rule]:
    """Return a rule and all rules inside it, the outer before the inner."""
    return [part for part, _ in placed(rule)]
