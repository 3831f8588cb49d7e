"""The parts of a decision's page that a policy with rules fills: its rules, what serves, and the signals it read."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.loop.policy import Decision
    from airflow_mlops.loop.signal import Signal

STYLE = """
.tree, .tree ul { list-style: none; padding-left: 1.2rem; margin: .1rem 0; } .tree > li { margin-left: -1.2rem; }
.yes, .no, .open { display: inline-block; min-width: 4.6rem; font-weight: 600; }
.yes { color: #1a7f37; } .no { color: #59636e; } .open { color: #9a6700; }
.now { color: #59636e; } .drifted { color: #cf222e; } .watch { color: #9a6700; } .unknown { color: #59636e; }
.shadow { border: 1px dashed #8c959f; border-radius: .2rem; padding: .4rem 1rem; margin: 1.2rem 0; }
"""
VERDICTS = {"stable": "stable", "watch": "watch", "drifted": "drifted", "unknown": "not enough data"}
_VALUES = {True: ("yes", "true"), False: ("no", "false"), None: ("open", "unknown")}


def rules(decision: Decision) -> str:
    """Draw the rules of a decision with the value of every node, as nested lists; nothing where it has none."""
    names = {"train": "When to train", "warn": "When to warn"}
    parts = [
        f'<h3>{names.get(name, name)}</h3><ul class="tree">{_node(node)}</ul>' for name, node in decision.tree.items()
    ]
    return "<h2>Rules</h2>" + "".join(parts) if parts else ""


def _node(node: Mapping[str, Any]) -> str:
    kind, value = _VALUES[node["value"]]
    inside = "".join(_node(each) for each in node.get("of", ()))
    now = f' <span class="now">now {escape(number(node["now"]))}</span>' if "now" in node else ""
    before = node.get("before")
    earlier = f' <span class="now">before: {", ".join(_VALUES[each][1] for each in before)}</span>' if before else ""
    said = f'<span class="{kind}">{value}</span>{escape(str(node["rule"]))}{now}{earlier}'
    return f"<li>{said}{f'<ul>{inside}</ul>' if inside else ''}</li>"


def members(decision: Decision) -> str:
    """Say who is to serve, with what weights and what correction; nothing where the policy does not choose."""
    if not decision.weights:
        return ""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{weight:.1%}</td></tr>"
        for name, weight in sorted(decision.weights.items(), key=lambda item: -item[1])
    )
    return f"<h2>What is to serve</h2><table>{rows}</table>{_corrected(decision.correction)}"


def _corrected(correction: Mapping[str, Any] | None) -> str:
    if correction is None:
        return '<p class="facts">No correction was measured.</p>'
    value = correction["value"]
    shown = ", ".join(f"{each:+.3g}" for each in value) if isinstance(value, list | tuple) else f"{value:+.3g}"
    return (
        f'<p class="facts">Correction {shown}, measured on {correction["rows"]:,} labelled rows, '
        f"{correction['moved']:.3g} from the one that serves.</p>"
    )


def signals(found: Mapping[str, Signal]) -> str:
    """Give the signals as a table: value, interval, verdict, and from where on it is drifted."""
    if not found:
        return ""
    head = "".join(
        f"<th>{name}</th>" for name in ("signal", "value", "95 %", "verdict", "drifted from", "what it says")
    )
    return f"<table><tr>{head}</tr>{''.join(_row(signal) for signal in found.values())}</table>"


def _row(signal: Signal) -> str:
    interval = "" if signal.low is None or signal.high is None else f"{number(signal.low)} to {number(signal.high)}"
    limit = "" if signal.limit is None else number(signal.limit)
    # A count or an age is a fact for rules, and nothing to have a verdict on.
    verdict = VERDICTS[signal.verdict] if signal.limit is not None or signal.detail else ""
    return (
        f"<tr><th>{escape(signal.name.replace('_', ' '))}</th><td>{escape(number(signal.value))}</td>"
        f'<td>{interval}</td><td class="{signal.verdict}">{verdict}</td><td>{limit}</td>'
        f"<td>{escape(signal.detail)}</td></tr>"
    )


def shadow(decision: Decision | None, kind: str | None) -> str:
    """Say what the policy in shadow would have decided; nothing where there is none."""
    if decision is None:
        return ""
    held = f" (held by: {escape(decision.held_by)})" if decision.held_by else ""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in decision.reasons)
    return (
        f'<div class="shadow"><strong>In shadow, policy {escape(str(kind))}: {decision.action}{held}</strong>'
        f"<ul>{reasons}</ul>It only records, and asks for nothing. {escape(decision.counterfactual)}</div>"
    )


def number(value: Any) -> str:
    """Write a value of a signal: three digits, a verdict as it is, or a dash."""
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)
