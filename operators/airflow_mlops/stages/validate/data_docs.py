"""The findings as one page that needs no network: Great Expectations' own pages load their looks from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.html import document, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_mlops.stages.validate.findings import Finding
    from airflow_mlops.stages.validate.validate import Validation

# A page is read, not searched by machines: so many failing rows are shown, the quarantine holds the others.
SHOWN_ROWS = 20
SHOWN_CHARACTERS = 120
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
    return document(f"{title}: data", parts)


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
    return table(["", "Column", "Check", "Rows"], rows, numbers={3})


def _quarantine(validation: Validation) -> str:
    kept = validation.quarantine
    if kept is None:
        return ""
    names = ["_reason", *(name for name in kept.column_names if name != "_reason")]
    shown = kept.slice(0, SHOWN_ROWS).select(names).to_pylist()
    body = table(
        ["Reason", *names[1:]],
        [[escape("" if row[name] is None else str(row[name])) for name in names] for row in shown],
    )
    return f'<p class="dim">{len(shown)} of {kept.num_rows:,} kept</p>{body}'


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
    return table(heads, rows, numbers={2, 3, 4, 5})


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
