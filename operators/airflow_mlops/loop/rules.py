"""The algebra of rules: what a rule says of the signals of a look, and what would have changed it.

A rule has three values: true, false, and unknown where a signal was not measured. Joined, they follow Kleene's logic:
an unknown part decides nothing that the known parts do not decide already. A rule fires where it is true.

References
----------
Kleene (1952), Introduction to Metamathematics, section 64: the strong three-valued connectives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.spec.rule_sections import All, AnyOf, Compare, Count, Not, Persist

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_mlops.loop.signal import Signal
    from airflow_mlops.spec.rule_sections import Rule

    # Signals of the looks, the newest last.
    Looks = Sequence[Mapping[str, Signal]]


@dataclass(slots=True)
class Node:
    """What one rule said.

    ``value`` is None where it is unknown; ``reading`` is the signal that a comparison was made with.
    """

    rule: Rule
    value: bool | None
    reading: float | str | None = None
    children: tuple[Node, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON: the rule in words, its value, what was read, and the rules inside it."""
        plain: dict[str, Any] = {"rule": describe(self.rule), "value": self.value}
        if isinstance(self.rule, Compare):
            plain["now"] = self.reading
        if self.children:
            plain["of"] = [child.to_dict() for child in self.children]
        return plain

    def leaves(self) -> Iterator[Node]:
        """Yield the comparisons of this look."""
        if isinstance(self.rule, Compare):
            yield self
        for child in self.children:
            yield from child.leaves()


def evaluate(rule: Rule, looks: Looks) -> Node:
    """Ask a rule about the newest of some looks.

    Parameters
    ----------
    rule : Rule
        See `spec.rule_sections`.
    looks : sequence of mapping
        Signals by name, the newest look last; a signal that is not among them is unknown.
    """
    return _FORMS[type(rule)](rule, looks)


def _compare(rule: Compare, looks: Looks) -> Node:
    found = looks[-1].get(rule.signal) if looks else None
    if rule.verdict is not None:
        known = found is not None and found.verdict != "unknown"
        return Node(rule, found.verdict == rule.verdict if known and found else None, found.verdict if found else None)
    value = found.value if found is not None else None
    if value is None:
        return Node(rule, None)
    if rule.at_least is not None:
        return Node(rule, value >= rule.at_least, value)
    return Node(rule, value <= rule.at_most, value)


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
    """Ask at each of the last looks; before the first look nothing was true."""
    newest = evaluate(rule.persist, looks)
    ends = range(len(looks) - 1, max(0, len(looks) - rule.last), -1)
    earlier = [evaluate(rule.persist, looks[:end]).value for end in ends]
    return Node(rule, _reached([newest.value, *earlier], rule.times), None, (newest,))


_FORMS: dict[type, Any] = {All: _all, AnyOf: _any, Compare: _compare, Count: _count, Not: _not, Persist: _persist}

# Sentences


def describe(rule: Rule) -> str:
    """Say a rule in words."""
    if isinstance(rule, Compare):
        return f"{rule.signal} {_question(rule)}"
    if isinstance(rule, Not):
        return f"not ({describe(rule.not_)})"
    if isinstance(rule, Persist):
        return f"({describe(rule.persist)}) at {rule.times} of the last {rule.last} looks"
    inner = [
        describe(part)
        for part in (rule.all if isinstance(rule, All) else rule.any if isinstance(rule, AnyOf) else rule.of)
    ]
    if isinstance(rule, Count):
        return f"{rule.count} of ({'; '.join(inner)})"
    return (
        f" {'and' if isinstance(rule, All) else 'or'} ".join(f"({text})" for text in inner)
        if len(inner) > 1
        else inner[0]
    )


def _question(rule: Compare) -> str:
    if rule.verdict is not None:
        return f"is {rule.verdict}"
    return f"at least {rule.at_least:g}" if rule.at_least is not None else f"at most {rule.at_most:g}"


def causes(node: Node) -> list[str]:
    """Say which comparisons made a rule true."""
    return [f"{_said(leaf)}" for leaf in _decisive(node, wanted=True)]


def counterfactual(node: Node) -> str:
    """Say which comparisons would turn a rule round: "would fire with excess_loss at 1.2, now 0.4".

    Of a rule that is false or unknown, all comparisons are named whose change would help it to be true, one a clause;
    of one that is true, those whose change would help it to be false.
    """
    fires = node.value is True
    leaves = list(dict.fromkeys(_turn(leaf) for leaf in _decisive(node, wanted=fires)))
    return f"would {'not ' if fires else ''}fire with {', '.join(leaves)}" if leaves else "nothing would change it"


def _decisive(node: Node, *, wanted: bool) -> Iterator[Node]:
    """Yield the comparisons that hold a rule at its value; ``wanted`` is what a comparison has to be to count."""
    rule = node.rule
    if isinstance(rule, Compare):
        if (node.value is True) == wanted:
            yield node
        return
    flipped = not wanted if isinstance(rule, Not) else wanted
    for child in node.children:
        yield from _decisive(child, wanted=flipped)


def _said(leaf: Node) -> str:
    rule = leaf.rule
    if leaf.reading is None or (leaf.value is None and rule.verdict is not None):
        return f"{rule.signal} is not known"
    if rule.verdict is not None:
        return f"{rule.signal} is {leaf.reading}"
    return (
        f"{rule.signal} is {leaf.reading:.3g}, {_question(rule)}"
        if leaf.value
        else f"{rule.signal} is {leaf.reading:.3g}, not {_question(rule)}"
    )


def _turn(leaf: Node) -> str:
    rule = leaf.rule
    now = (
        "not known"
        if leaf.reading is None
        else f"{leaf.reading:.3g}"
        if isinstance(leaf.reading, float | int)
        else leaf.reading
    )
    if rule.verdict is not None:
        wanted = f"{rule.signal} {'not ' if leaf.value else ''}{rule.verdict}"
    else:
        bound = rule.at_least if rule.at_least is not None else rule.at_most
        up = (rule.at_least is not None) != bool(leaf.value)
        wanted = f"{rule.signal} {'at' if not leaf.value else ('above' if up else 'below')} {bound:.3g}"
    return f"{wanted}, now {now}"
