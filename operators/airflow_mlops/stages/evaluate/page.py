"""The evaluation as one HTML file that needs no other file and no network."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING

from airflow_mlops.stages.evaluate.evidence_table import checks_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_mlops.stages.evaluate.evaluation import Evaluation

_TITLES = {
    "evidence": "Checks against their limits",
    "calibration": "Calibration",
    "reliability": "Reliability of the predicted class",
    "confusion": "What happened, and what was predicted",
    "residuals": "Residuals",
    "importance": "What the model leans on",
    "slices": "Loss by slice",
}

_TESTS = {
    "bootstrap": "paired, studentized bootstrap",
    "diebold_mariano": "Diebold-Mariano test",
    "mcnemar": "McNemar's test",
    "delong": "DeLong's test",
}

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2328; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
.facts { color: #59636e; margin-top: .2rem; }
.verdict { border-left: .4rem solid; border-radius: .2rem; padding: .6rem 1rem; margin: 1.2rem 0; background: #f6f8fa; }
.pass { border-color: #1a7f37; } .fail { border-color: #cf222e; } .labels { border-color: #9a6700; }
.verdict ul { margin: .3rem 0 0; padding-left: 1.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem .25rem 0; text-align: right; border-bottom: 1px solid #d1d9e0; }
th:first-child, td:first-child { text-align: left; } th { color: #59636e; font-weight: 600; }
.checks tr.group th { padding-top: .9rem; color: #1f2328; border-bottom: 2px solid #d1d9e0; }
.checks td { vertical-align: top; }
.checks td.mark, .checks td.sentence { text-align: left; } .mark { white-space: nowrap; }
.pass-mark { color: #1a7f37; } .fail-mark { color: #cf222e; font-weight: 600; }
.not-enough-labels-mark { color: #9a6700; font-weight: 600; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem 2rem; } figure { margin: 0; } img { max-width: 100%; }
"""

_ORDER = ("challenger", "champion", "baseline")


def render(evaluation: Evaluation, plots: Mapping[str, bytes], *, title: str, facts: Sequence[str]) -> str:
    """Write the page.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.
    plots : mapping of str to bytes
        SVG by name, from `draw`.
    title : str
        Which model was judged.
    facts : sequence of str
        Short phrases below the title: rows, times, versions.
    """
    verdict = evaluation.gate.verdict
    words = {
        "pass": "Passed: it may replace the champion",
        "fail": "Failed: the champion stays",
        "not enough labels": "Not enough labels: the champion stays",
    }
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
            f'<h1>{escape(title)}</h1><p class="facts">{escape(" · ".join(facts))}</p>',
            f'<div class="verdict {verdict}"><strong>{words[verdict]}</strong><ul>',
            *(f"<li>{escape(reason)}</li>" for reason in evaluation.gate.reasons),
            "</ul></div>",
            "<h2>What was checked</h2>" if evaluation.gate.checks else "",
            checks_table(evaluation.gate.checks),
            "<h2>Metrics on the held-out rows</h2>" if evaluation.scores else "",
            _scores(evaluation) if evaluation.scores else "",
            '<div class="plots">',
            *(_figure(name, svg) for name, svg in plots.items()),
            "</div>",
            _slices(evaluation),
            _method(evaluation),
            "</body></html>",
        ]
    )


def _scores(evaluation: Evaluation) -> str:
    names = [name for name in _ORDER if name in evaluation.scores]
    metrics = dict.fromkeys(metric for name in names for metric in evaluation.scores[name])
    rows = [[metric, *(_number(evaluation.scores[name].get(metric)) for name in names)] for metric in metrics]
    return table(["metric", *names], rows)


def _slices(evaluation: Evaluation) -> str:
    if not evaluation.slices:
        return ""
    names = [name for name in _ORDER if name in evaluation.slices[0]]
    rows = [
        [f"{each['column']} = {each['value']}", str(each["rows"]), *(_number(each[name]) for name in names)]
        for each in evaluation.slices
    ]
    return f"<h2>{escape(evaluation.gate.metric)} by slice</h2>" + table(["slice", "rows", *names], rows)


def _method(evaluation: Evaluation) -> str:
    gate = evaluation.gate
    unit = "blocks of time" if gate.blocked else "rows"
    return (
        f'<p class="facts">Gate: {_TESTS[gate.test]} of {escape(gate.metric)} on {gate.n} rows in {gate.units} {unit}, '
        f"{gate.resamples} resamples, each bound one-sided at {gate.confidence:.0%}. "
        "Importance: rise in loss on a sample of the held-out rows when one raw column is shuffled.</p>"
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table as HTML, its cells escaped."""
    header = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"


def _figure(name: str, svg: bytes) -> str:
    # As an image and not inline: ids inside one drawing must not meet those of another.
    source = b64encode(svg).decode()
    title = escape(_TITLES.get(name, name))
    return f'<figure><h2>{title}</h2><img alt="{title}" src="data:image/svg+xml;base64,{source}"></figure>'


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
