"""Rules in words: what a rule asks, what made it fire, and what would have turned it round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.loop.turning import Change, Lasting, turning
from airflow_mlops.spec.rule_sections import All, Compare, Count, Not, Persist

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_mlops.loop.rules import Node
    from airflow_mlops.loop.turning import Turn
    from airflow_mlops.spec.rule_sections import Rule

_UNITS = {"age": "window", "freshness": "day"}
# Digits of a number; more where it would read as the bound that it is compared with.
_DIGITS = range(3, 16)


def describe(rule: Rule) -> str:
    """Say what a rule asks: "(excess_loss at least 1) or (age at least 30 windows)"."""
    if isinstance(rule, Compare):
        return f"{rule.signal} {_question(rule)}"
    if isinstance(rule, Not):
        return f"not ({describe(rule.not_)})"
    if isinstance(rule, Persist):
        return f"({describe(rule.persist)}) at {rule.times} of the last {rule.last} looks"
    if isinstance(rule, Count):
        return f"{rule.count} of ({'; '.join(describe(part) for part in rule.of)})"
    parts, word = (rule.all, "and") if isinstance(rule, All) else (rule.any, "or")
    return f" {word} ".join(f"({describe(part)})" for part in parts) if len(parts) > 1 else describe(parts[0])


def _question(rule: Compare) -> str:
    if rule.verdict is not None:
        return f"is {rule.verdict}"
    side, bound = ("at most", rule.at_most) if rule.at_least is None else ("at least", rule.at_least)
    return f"{side} {_number(rule.signal, bound)}"


def causes(node: Node) -> list[str]:
    """Say which comparisons make a rule what it is: "excess_loss is 1.4, at least 1.2"."""
    return list(dict.fromkeys(_causes(node)))


def _causes(node: Node) -> Iterator[str]:
    rule = node.rule
    if isinstance(rule, Compare):
        yield f"{rule.signal} {_reading(node)}"
    elif isinstance(rule, Persist):
        said = [node.children[0].value, *node.earlier]
        yield f"({describe(rule.persist)}) at {said.count(True)} of the last {rule.last} looks, of {rule.times} needed"
    else:
        for child in node.children:
            # Of an "any" that is true, the parts that are; of one that is false or unknown, likewise.
            if isinstance(rule, Not) or child.value is node.value:
                yield from _causes(child)


def _reading(node: Node) -> str:
    rule, reading = node.rule, node.reading
    assert isinstance(rule, Compare)
    if node.value is None or reading is None:
        return "is not known"
    if isinstance(reading, str):
        return f"is {reading}"
    bound = rule.at_most if rule.at_least is None else rule.at_least
    held, missed = ("at most", "above") if rule.at_least is None else ("at least", "below")
    digits = _digits(reading, bound)
    now, limit = _number(rule.signal, reading, digits), _number(None, bound, digits)
    return f"is {now}, {held if node.value else missed} {limit}"


def counterfactual(node: Node) -> str:
    """Say what would turn a rule round: "at excess_loss 1.2 (now 0.17), or at age 30 windows (now 4)".

    See `turning.turning`, which finds it.
    """
    return _said(turning(node), is_inner=False)


def _said(turn: Turn, *, is_inner: bool = True) -> str:
    if isinstance(turn, Change):
        return _change(turn)
    if isinstance(turn, Lasting):
        if turn.change is None:
            return f"with{'' if turn.value else 'out'} ({describe(turn.rule)}) at the next {_looks(turn.looks)}"
        return f"{_said(turn.change)}, and so at {_looks(turn.looks)} in a row"
    parts = list(dict.fromkeys(_said(part) for part in turn.of))
    if turn.needed == len(turn.of):
        text = " and ".join(parts)
    elif turn.needed == 1:
        text = ", or ".join(parts)
    else:
        return f"with {turn.needed} of ({'; '.join(parts)})"
    return f"({text})" if is_inner and len(parts) > 1 else text


def _looks(count: int) -> str:
    return "look" if count == 1 else f"{count} looks"


def _change(change: Change) -> str:
    rule, reading = change.node.rule, change.node.reading
    assert isinstance(rule, Compare)
    is_known = change.node.value is not None and reading is not None
    if rule.verdict is not None:
        now = reading if is_known else "not known"
        return f"with {rule.signal} {'' if change.value else 'not '}{rule.verdict} (now {now})"
    bound = rule.at_most if rule.at_least is None else rule.at_least
    digits = _digits(reading, bound) if isinstance(reading, float | int) else _DIGITS[0]
    now = _number(None, reading, digits) if isinstance(reading, float | int) else "not known"
    side = "at" if change.value else "above" if rule.at_least is None else "below"
    return f"{side} {rule.signal} {_number(rule.signal, bound, digits)} (now {now})"


def _digits(reading: float, bound: float | None) -> int:
    """Return so many digits that a reading and the bound it is not at read differently."""
    if bound is None or reading == bound:
        return _DIGITS[0]
    differing = (digits for digits in _DIGITS if _number(None, reading, digits) != _number(None, bound, digits))
    return next(differing, _DIGITS[-1])


def _number(signal: str | None, value: float | None, digits: int = _DIGITS[0]) -> str:
    """Write a number, with the unit of its signal."""
    assert value is not None
    text = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
    unit = _UNITS.get(signal or "")
    return text if unit is None else f"{text} {unit}{'' if value == 1 else 's'}"
