"""The findings as one page that needs no network: Great Expectations' own pages load their looks from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_mlops.stages.validate.findings import Finding
    from airflow_mlops.stages.validate.validate import Validation

# A page is read, not searched by machines: so many failing rows are shown, the quarantine holds the others.
SHOWN_ROWS = 20
_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --dim: #59636e; --line: #d1d9e0; --paper: #fff; --soft: #f6f8fa;
  --bad: #b42318; --mark: #9a6700; --good: #1a7f37; --note: #0969da }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9198a1; --line: #3d444d; --paper: #0d1117;
  --soft: #151b23; --bad: #ff7b72; --mark: #d29922; --good: #3fb950; --note: #58a6ff } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 76rem;
  margin: 2rem auto; padding: 0 1.5rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem }
p { margin: .3rem 0 } .dim { color: var(--dim) } .scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .4rem .7rem; vertical-align: top;
  border-bottom: 1px solid var(--line) } th { color: var(--dim); font-weight: 600; white-space: nowrap }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
tbody tr:hover { background: var(--soft) }
.badge { display: inline-block; padding: 0 .55rem; border: 1px solid; border-radius: 1rem; font-size: .85rem;
  font-weight: 600; white-space: nowrap }
.failed, .critical { color: var(--bad) } .warning { color: var(--mark) } .passed { color: var(--good) }
.info { color: var(--note) } .mono { font-family: ui-monospace, monospace; font-size: .9em }
"""
_VERDICTS = {
    "passed": "All rows may be used.",
    "warning": "The rows may be used; look at what is marked.",
    "failed": "Nothing uses these rows. The champion keeps serving.",
}


def render_docs(validation: Validation, described: Mapping[str, Any], *, title: str, facts: Mapping[str, str]) -> str:
    """Write the page.

    Parameters
    ----------
    validation : Validation
        What was found. Sensitive columns are not in its quarantine, nor in its observed values.
    described : mapping
        Of the snapshot, for the table of columns.
    title : str
        Name of the model.
    facts : mapping
        What was compared with what, from label to value.

    Returns
    -------
    str
        HTML with its style, without script, image or link to another host.
    """
    parts = [
        f'<h1>{escape(title)}: data <span class="badge {validation.verdict}">{validation.verdict}</span></h1>',
        f"<p>{_VERDICTS[validation.verdict]}</p>",
        _facts(facts),
        _section("What failed", _findings(validation.findings), "Nothing failed."),
        _section("Rows in quarantine", _quarantine(validation), ""),
        _section("Expectations", _findings(validation.expectations), "This model has no suite."),
        _section("Columns", _columns(described), ""),
    ]
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}: data</title>'
    )
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n'
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


def _facts(facts: Mapping[str, str]) -> str:
    return '<p class="dim">' + " · ".join(f"{escape(name)} {escape(value)}" for name, value in facts.items()) + "</p>"


def _section(heading: str, body: str, otherwise: str) -> str:
    if not body and not otherwise:
        return ""
    body = body or f'<p class="dim">{otherwise}</p>'
    return f"<h2>{heading}</h2>\n{body}"


def _findings(findings: Sequence[Finding]) -> str:
    rows = []
    for finding in findings:
        state = "passed" if finding.passed else finding.severity
        rows.append(
            [
                f'<span class="badge {state}">{state}</span>',
                f'<span class="mono">{escape(finding.column or "table")}</span>',
                escape(finding.message),
                f"{finding.failing:,}" if finding.failing else "",
            ]
        )
    return _table(["", "Column", "Check", "Rows"], rows, numbers={3})


def _quarantine(validation: Validation) -> str:
    table = validation.quarantine
    if table is None:
        return ""
    names = ["_reason", *(name for name in table.column_names if name != "_reason")]
    shown = table.slice(0, SHOWN_ROWS).select(names).to_pylist()
    body = _table(
        ["Reason", *names[1:]],
        [[escape("" if row[name] is None else str(row[name])) for name in names] for row in shown],
    )
    return f'<p class="dim">{len(shown)} of {table.num_rows:,} kept</p>{body}'


def _columns(described: Mapping[str, Any]) -> str:
    rows, total = [], described["rows"]
    for name, facts in described["columns"].items():
        share = facts["nulls"] / total if total else 0.0
        quantiles = facts.get("quantiles")
        rows.append(
            [
                f'<span class="mono">{escape(name)}</span>',
                escape(facts["type"]),
                f"{share:.1%}" if share else "",
                *(_number(value) for value in (facts.get("min"), quantiles and quantiles[4], facts.get("max"))),
                _values(facts),
            ]
        )
    heads = ["Column", "Type", "Null", "Least", "Median", "Most", "Values"]
    return _table(heads, rows, numbers={2, 3, 4, 5})


def _values(facts: Mapping[str, Any]) -> str:
    if facts.get("sensitive"):
        return '<span class="dim">sensitive, not shown</span>'
    values = list(facts.get("values", {}))
    if not values:
        return ""
    return f"{facts['distinct']:,}: {escape(', '.join(value[:40] for value in values[:5]))}" + (
        " …" if facts["distinct"] > 5 else ""
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: frozenset[int] | set[int] = frozenset()
) -> str:
    def cells(tag: str, items: Sequence[str]) -> str:
        kinds = [' class="number"' if place in numbers else "" for place in range(len(items))]
        return "".join(f"<{tag}{kind}>{item}</{tag}>" for kind, item in zip(kinds, items, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>\n" for row in rows)
    if not body:
        return ""
    head = f"<thead><tr>{cells('th', heads)}</tr></thead>"
    return f'<div class="scroll"><table>{head}\n<tbody>\n{body}</tbody></table></div>'
