"""What would turn a rule round: the comparisons that would have to come out otherwise, and how many of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.spec.rule_sections import All, AnyOf, Compare, Not, Persist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.loop.rules import Node
    from airflow_mlops.spec.rule_sections import Rule

    Wanted = frozenset[bool | None]

FIRES: Wanted = frozenset((True,))
FIRES_NOT: Wanted = frozenset((False, None))


@dataclass(frozen=True, slots=True)
class Change:
    """A comparison that would have to be true, or false."""

    node: Node
    value: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """So many changes, or more, of some."""

    needed: int
    of: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Lasting:
    """A rule that would have to be true, or false, at so many looks in a row, this one or the next the first.

    ``change`` is what would make it so at this look; None where it is so already, and the looks to come count.
    """

    rule: Rule
    value: bool
    looks: int
    change: Turn | None


Turn = Change | Changes | Lasting


def turning(node: Node) -> Turn:
    """Return the fewest changes that would make a rule fire that does not, or keep one from firing that does.

    Each comparison is taken to be free: where two ask for the same signal, they may not both be had.
    """
    turn = _turn(node, FIRES_NOT if node.value is True else FIRES)
    assert turn is not None, "no rule is on both sides"
    return turn


def _turn(node: Node, wanted: Wanted) -> Turn | None:
    """Return what would bring a rule to a wanted value; None where it has one."""
    if node.value in wanted:
        return None
    if isinstance(node.rule, Compare):
        return Change(node, True in wanted)
    if isinstance(node.rule, Not):
        [child] = node.children
        return _turn(child, frozenset(None if value is None else not value for value in wanted))
    if isinstance(node.rule, Persist):
        return _lasting(node, node.rule, wanted)
    return _counted(node, wanted)


def _counted(node: Node, wanted: Wanted) -> Turn:
    turns = [turn for child in node.children if (turn := _turn(child, wanted)) is not None]
    # To be true a rule needs so many of its parts; to be false, so many that fewer than these are left.
    parts, needed = len(node.children), _needed(node.rule)
    missing = (needed if True in wanted else parts - needed + 1) - (parts - len(turns))
    return turns[0] if len(turns) == 1 else Changes(missing, tuple(turns))


def _needed(rule: Rule) -> int:
    if isinstance(rule, AnyOf):
        return 1
    return len(rule.all) if isinstance(rule, All) else rule.count  # type: ignore[union-attr]  # the one form left


def _lasting(node: Node, rule: Persist, wanted: Wanted) -> Turn:
    [newest] = node.children
    change = _turn(newest, wanted)
    looks = next(looks for looks in range(1, rule.last + 1) if _turned(node.earlier, rule, wanted, looks))
    if change is not None and looks == 1:
        return change
    # What is so at this look already has to be so at one look fewer.
    return Lasting(rule.persist, True in wanted, looks if change is not None else looks - 1, change)


def _turned(earlier: Sequence[bool | None], rule: Persist, wanted: Wanted, looks: int) -> bool:
    """Tell whether so many looks, this one the first of them, would be enough."""
    kept = earlier[: rule.last - looks]
    suits = sum(value in wanted for value in kept) + looks
    if True in wanted:
        return suits >= rule.times
    # Looks that never were are false.
    return suits + rule.last - looks - len(kept) > rule.last - rule.times
