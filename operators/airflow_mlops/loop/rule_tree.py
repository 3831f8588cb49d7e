"""A decision's rules read back from the ledger: each node in words, with its value, and how far it is from firing.

The ledger holds what `rules.Node.to_dict` wrote: the rule as text, its value, what was read, and the rules inside. The
text of a rule is made by `rule_sentences.describe` alone, so its form is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.loop.signal_words import VERDICTS, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Join = Literal["all", "any", "not", "count", "persist", "compare"]

_COMPARED = re.compile(r"(?P<signal>\w+) (?P<side>at least|at most|is) (?P<bound>[^ ]+)(?: (?P<unit>\w+))?")
_PERSISTS = re.compile(r"\) at (?P<times>\d+) of the last (?P<last>\d+) looks$")
_COUNTS = re.compile(r"^(?P<count>\d+) of \(")
# Units that a bound is written without.
_UNSAID = ("", "share", "distance", "loss")
_JOINED = {"all": "all of", "any": "at least one of", "not": "not"}


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One rule of a decision.

    Attributes
    ----------
    says : str
        What it asks, in words: "age at least 30 windows"; of a node with others inside how they are joined.
    join : {"all", "any", "not", "count", "persist", "compare"}
        What it is.
    value : bool or None
        True, false, or None where it is unknown.
    now, bound : float or str or None
        Of a comparison: what was read, and what it was compared with.
    unit : str
        Of both.
    needs : float or None
        How far the reading is from the other side of the bound, in that unit: positive while it has to rise, negative
        while it has to fall; None where a verdict is asked for, or nothing was read.
    before : tuple of (bool or None)
        Where looks are counted: what the rule inside said at the looks before, the newest first.
    of : tuple of TreeNode
        The rules inside.
    detail : str
        A sentence, where there is more to say.
    """

    says: str
    join: Join
    value: bool | None
    now: float | str | None = None
    bound: float | str | None = None
    unit: str = ""
    needs: float | None = None
    before: tuple[bool | None, ...] = ()
    of: tuple[TreeNode, ...] = ()
    detail: str = ""


def read_tree(node: Mapping[str, Any]) -> TreeNode:
    """Read one rule, and those inside it, from a decision's payload."""
    inside = tuple(read_tree(each) for each in node.get("of") or ())
    rule, value = str(node.get("rule", "")), node.get("value")
    if not inside:
        return _comparison(rule, value, node.get("now"))
    join = _join(rule, [str(each.get("rule", "")) for each in node["of"]], node)
    return TreeNode(_says(join, rule), join, value, before=tuple(node.get("before") or ()), of=inside)


def _join(rule: str, parts: Sequence[str], node: Mapping[str, Any]) -> Join:
    if "before" in node:
        return "persist"
    if len(parts) == 1:
        return "not" if rule == f"not ({parts[0]})" else "all"
    # The texts of the rules inside are known, so that nothing of them is taken for what joins them.
    if rule == " or ".join(f"({part})" for part in parts):
        return "any"
    return "all" if rule == " and ".join(f"({part})" for part in parts) else "count"


def _says(join: Join, rule: str) -> str:
    if join == "persist" and (found := _PERSISTS.search(rule)):
        return f"at {found['times']} of the last {found['last']} looks"
    if join == "count" and (found := _COUNTS.match(rule)):
        return f"at least {found['count']} of"
    return _JOINED.get(join, rule)


def _comparison(rule: str, value: bool | None, now: Any) -> TreeNode:
    found = _COMPARED.fullmatch(rule)
    if found is None:
        return TreeNode(rule.replace("_", " "), "compare", value, now=now)
    words, side = words_of(found["signal"]), found["side"]
    if side == "is":
        said = VERDICTS.get(str(now), now) if now is not None else None
        return TreeNode(f"{words.title} is {found['bound']}", "compare", value, now=said, bound=found["bound"])
    bound = float(found["bound"])
    # The rule's own unit is one window, or several.
    said = found["unit"] or ("" if words.unit in _UNSAID else words.unit)
    return TreeNode(
        f"{words.title} {side} {found['bound']}{f' {said}' if said else ''}",
        "compare",
        value,
        now=now,
        bound=bound,
        unit=words.unit,
        needs=None if now is None else bound - now,
    )
