"""The algebra of rules: what a rule says of the signals of a look.

A rule has three values: true, false, and unknown where a signal was not measured. Joined, they follow Kleene's logic:
an unknown part decides nothing that the known parts do not decide already. A rule fires where it is true.

References
----------
Kleene (1952), Introduction to Metamathematics, section 64: the strong three-valued connectives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.rule_sentences import describe
from airflow_mlops.spec.rule_sections import All, AnyOf, Compare, Count, Not, Persist

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_mlops.loop.signal import Signal
    from airflow_mlops.spec.rule_sections import Rule

    # Signals of the looks, the newest last.
    Looks = Sequence[Mapping[str, Signal]]


@dataclass(slots=True)
class Node:
    """What one rule said.

    Attributes
    ----------
    rule : Rule
        See `spec.rule_sections`.
    value : bool or None
        None where it is unknown.
    reading : float or str or None
        Of a comparison: the value, or the verdict, that it was made with.
    children : tuple of Node
        The rules inside it, at this look.
    earlier : tuple of (bool or None)
        Where looks are counted: what the rule inside it said at the looks before this one, the newest first.
    """

    rule: Rule
    value: bool | None
    reading: float | str | None = None
    children: tuple[Node, ...] = ()
    earlier: tuple[bool | None, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON: the rule in words, its value, what was read, and the rules inside it."""
        plain: dict[str, Any] = {"rule": describe(self.rule), "value": self.value}
        if isinstance(self.rule, Compare):
            plain["now"] = self.reading
        if isinstance(self.rule, Persist):
            plain["before"] = list(self.earlier)
        if self.children:
            plain["of"] = [child.to_dict() for child in self.children]
        return plain


def evaluate(rule: Rule, looks: Looks) -> Node:
    """Ask a rule about the newest of some looks.

    Parameters
    ----------
    rule : Rule
        See `spec.rule_sections`.
    looks : sequence of mapping
        Signals by name, the newest look last; a signal that is not among them is unknown. Before the first look
        nothing was true.
    """
    return _FORMS[type(rule)](rule, looks)


def _compare(rule: Compare, looks: Looks) -> Node:
    found = looks[-1].get(rule.signal) if looks else None
    if found is None:
        return Node(rule, None)
    if rule.verdict is not None:
        return Node(rule, None if found.verdict == "unknown" else found.verdict == rule.verdict, found.verdict)
    value = found.value
    if value is None:
        return Node(rule, None)
    if rule.at_least is not None:
        return Node(rule, value >= rule.at_least, value)
    return Node(rule, rule.at_most is not None and value <= rule.at_most, value)


def _all(rule: All, looks: Looks) -> Node:
    return _counted(rule, rule.all, len(rule.all), looks)


def _any(rule: AnyOf, looks: Looks) -> Node:
    return _counted(rule, rule.any, 1, looks)


def _count(rule: Count, looks: Looks) -> Node:
    return _counted(rule, rule.of, rule.count, looks)


def _counted(rule: Rule, parts: Sequence[Rule], needed: int, looks: Looks) -> Node:
    children = tuple([_FORMS[type(part)](part, looks) for part in parts])
    return Node(rule, _reached([child.value for child in children], needed), None, children)


def _reached(values: Sequence[bool | None], needed: int) -> bool | None:
    """Tell whether so many are true, if that can be told."""
    true = values.count(True)
    if true >= needed:
        return True
    return None if true + values.count(None) >= needed else False


def _not(rule: Not, looks: Looks) -> Node:
    child = evaluate(rule.not_, looks)
    return Node(rule, None if child.value is None else not child.value, None, (child,))


def _persist(rule: Persist, looks: Looks) -> Node:
    newest = evaluate(rule.persist, looks)
    before = looks[max(0, len(looks) - rule.last) : -1]
    earlier = tuple(evaluate(rule.persist, (look,)).value for look in reversed(before))
    return Node(rule, _reached([newest.value, *earlier], rule.times), None, (newest,), earlier)


_FORMS: dict[type, Any] = {All: _all, AnyOf: _any, Compare: _compare, Count: _count, Not: _not, Persist: _persist}
