"""A backtest as one HTML file that needs no other file and no network."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_mlops.replay.report import Entry, Report

_TITLES = {
    "quality": "Quality over time; a triangle is a training, a cross one that was refused",
    "gain": "Gain kept against trainings",
}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2328; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
.facts { color: #59636e; margin-top: .2rem; }
.verdict { border-left: .4rem solid #1a7f37; border-radius: .2rem; padding: .6rem 1rem; margin: 1.2rem 0; }
.verdict { background: #f6f8fa; } .worse { border-color: #cf222e; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem .25rem 0; text-align: right; border-bottom: 1px solid #d1d9e0; }
th:first-child, td:first-child { text-align: left; } th { color: #59636e; font-weight: 600; }
figure { margin: 0; } img { max-width: 100%; }
"""
# What people read of a policy, in this order, with the words of the page.
COLUMNS = (
    *("policy", "trainings", "refused", "false alarms", "seconds", "loss", "gain kept", "same by clock", "by clock"),
    *("hindsight", "worst gap", "windows to recover"),
)


def render(report: Report, plots: Mapping[str, bytes]) -> str:
    """Write the page.

    Parameters
    ----------
    report : Report
        What was found.
    plots : mapping of str to bytes
        SVG by name, from `draw`.
    """
    title = f"Backtest of {report.table.board.matrix.name}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f'<h1>{escape(title)}</h1><p class="facts">{escape(" · ".join(facts(report)))}</p>',
            _comparison(report),
            _table(COLUMNS, [row(report, entry) for entry in report.entries]),
            *(_figure(name, svg) for name, svg in plots.items()),
            _refusals(report),
            "<h2>Recommended settings</h2><ul>",
            *(f"<li>{escape(sentence)}</li>" for sentence in report.recommendations()),
            "</ul>",
            _notes(report),
            _method(),
            "</body></html>",
        ]
    )


def facts(report: Report) -> list[str]:
    """Give the short phrases below the title."""
    matrix, (nothing, most) = report.table.board.matrix, report.bounds
    return [
        f"{matrix.looks[report.first].now:%Y-%m-%d} to {matrix.cells[-1].end:%Y-%m-%d}",
        f"{report.looks} looks",
        f"{matrix.metric} {nothing:.4f} never trained again, {most:.4f} trained at every look",
        "with the gates" if report.table.gated else "without gates",
    ]


def row(report: Report, entry: Entry) -> list[str]:
    """Write the numbers of one policy, in the order of `COLUMNS`."""
    found = entry.score
    money = "" if found.money is None else f" ({found.money:.2f})"
    return [
        entry.candidate.name,
        f"{found.trainings} ({found.trainings / report.looks:.0%})",
        str(found.refused),
        str(found.false_alarms),
        f"{found.seconds:.1f}{money}",
        f"{found.loss:.4f}",
        _share(found.gain_kept),
        "" if entry.clocked is None else _share(report.kept(entry.clocked)),
        _share(report.kept(entry.periodic)),
        _share(report.kept(entry.hindsight)),
        f"{found.worst_gap:+.4f}",
        f"{found.recovery:.1f}",
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _comparison(report: Report) -> str:
    found = report.comparison
    if found is None:
        return ""
    kind = "verdict worse" if found.is_worse else "verdict"
    return f'<div class="{kind}">{"<br>".join(escape(reason) for reason in found.reasons)}</div>'


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    header = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"


def _figure(name: str, svg: bytes) -> str:
    # As an image and not inline: ids inside one drawing must not meet those of another.
    title = escape(_TITLES.get(name, name))
    source = b64encode(svg).decode()
    return f'<figure><h2>{title}</h2><img alt="{title}" src="data:image/svg+xml;base64,{source}"></figure>'


def _refusals(report: Report) -> str:
    return _listed("Why trainings brought nothing", report.refusals())


def _notes(report: Report) -> str:
    return _listed("Not as asked for", report.notes)


def _listed(title: str, sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    return f"<h2>{title}</h2><ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def _method() -> str:
    return (
        '<p class="facts">Gain kept: 0 is never training again, 1 is training at every look with the better of two '
        "windows. Same by clock: what this policy serves, trained every n-th look as often in all, averaged over "
        "phases; by clock: the newest version alone, likewise; hindsight: the best sequence of at most so many "
        "trainings, the newest version alone, known only afterwards. False alarms: trainings whose version was refused "
        "or lost no less than what it replaced over its first four windows. Worst gap: largest mean loss of four "
        "windows in a row above training at every look. Windows to recover: mean length of the stretches behind it.</p>"
    )
