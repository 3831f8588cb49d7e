"""A decision as one small HTML file that needs no other file and no network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from airflow_mlops.loop.signal import Signal
from airflow_mlops.stages.decide import rule_page
from airflow_mlops.stages.decide.chart import draw
from airflow_mlops.stages.decide.text import TITLES, signal_rows

if TYPE_CHECKING:
    from airflow_mlops.loop.history import History
    from airflow_mlops.loop.policy import Decision
    from airflow_mlops.loop.signals import Signals
    from airflow_mlops.spec import ModelSpec

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2328; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
.facts { color: #59636e; margin-top: .2rem; }
.action { border-left: .4rem solid; border-radius: .2rem; padding: .6rem 1rem; margin: 1.2rem 0; background: #f6f8fa; }
.nothing { border-color: #1a7f37; } .warn { border-color: #bf8700; } .call { border-color: #cf222e; }
.retrain, .recalibrate, .re-weigh, .re-elect, .roll.back { border-color: #1f6feb; }
h3 { font-size: .95rem; margin: .8rem 0 .2rem; }
.action ul { margin: .3rem 0; padding-left: 1.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left; border-bottom: 1px solid #d1d9e0; vertical-align: top; }
th { color: #59636e; font-weight: 600; white-space: nowrap; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: #59636e; }
.loss { fill: none; stroke: #1f6feb; stroke-width: 2; } .loss-point { fill: #1f6feb; }
.unsound { fill: #fff; stroke: #cf222e; stroke-width: 2; }
.level { stroke: #1a7f37; stroke-dasharray: 5 4; } .limit { stroke: #cf222e; stroke-dasharray: 5 4; }
.promotion { stroke: #8c959f; stroke-dasharray: 2 3; } .axis { stroke: #d1d9e0; }
"""


def render(
    signals: Signals, decision: Decision, history: History, spec: ModelSpec, *, shadow: Decision | None = None
) -> str:
    """Write the page: action and reasons, what serves, the loss by window, the rules, the signals.

    Parameters
    ----------
    signals : Signals
        What was measured.
    decision : Decision
        What was decided.
    history : History
        As it stood, the signals' own window included.
    spec : ModelSpec
        Whose it is; the policy names the allowance.
    shadow : Decision, optional
        What a policy in shadow would have decided.
    """
    held = f" (held by: {decision.held_by})" if decision.held_by else ""
    title = f"{spec.name}: {TITLES[decision.action]}{held}"
    champion = f"version {signals.champion_version}" if signals.champion_version else "no champion"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f"<title>{escape(title)}</title><style>{_STYLE}{rule_page.STYLE}</style></head><body>",
            f'<h1>{escape(title)}</h1><p class="facts">as of {signals.now:%Y-%m-%d %H:%M} UTC · {escape(champion)} · '
            f"epoch {signals.epoch} · policy {spec.retrain.policy.kind}</p>",
            f'<div class="action {decision.action}"><strong>Because</strong><ul>',
            *(f"<li>{escape(reason)}</li>" for reason in decision.reasons),
            f"</ul><strong>Otherwise</strong> {escape(decision.counterfactual)}</div>",
            rule_page.shadow(shadow, spec.retrain.shadow.kind if spec.retrain.shadow else None),
            rule_page.members(decision),
            _chart(decision, history, spec),
            rule_page.rules(decision),
            "<h2>Signals</h2>",
            rule_page.signals(_read(signals, decision)),
            "<h2>Measured</h2>",
            _table(signals),
            "</body></html>",
        ]
    )


def _chart(decision: Decision, history: History, spec: ModelSpec) -> str:
    chart = draw(history, lines=_lines(decision, spec))
    if not chart:
        return '<p class="facts">No labelled window has a loss yet, so there is nothing to draw.</p>'
    metric = history.windows[-1].metric
    return (
        f"<h2>{escape(metric)} of the served predictions, by labelled window</h2>{chart}"
        '<p class="facts">A mark with v and a number is a promotion. Hollow points are windows whose rows failed their '
        "check; they do not count.</p>"
    )


def _lines(decision: Decision, spec: ModelSpec) -> dict[str, float]:
    """Give the level of a fresh model, and the loss of a next window that would ask for a training."""
    stands = decision.standing
    level, limit, excess = (stands.get(name) for name in ("level", "limit", "excess"))
    if level is None:
        return {}
    lines = {"a fresh model": level}
    if limit is not None and excess is not None and excess <= limit:
        allowance = getattr(spec.retrain.policy, "allowance", 0.0) * (stands.get("noise") or 0.0)
        lines["a next window above this asks for a training:"] = level + allowance + limit - excess
    return lines


def _read(signals: Signals, decision: Decision) -> dict[str, Signal]:
    """Give all signals of the look, those that follow from the model's past among them."""
    return signals.measured | {name: Signal.from_dict(each) for name, each in decision.readings.items()}


def _table(signals: Signals) -> str:
    rows = (f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in signal_rows(signals))
    return f"<table>{''.join(rows)}</table>"
