"""What pages about rows share: one look, light and dark, and tables; nothing comes from another host."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STYLE = """
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


def document(title: str, parts: Iterable[str], *, style: str = "") -> str:
    """Put the parts of a page together.

    Parameters
    ----------
    title : str
        As text.
    parts : iterable of str
        HTML; empty ones are left out.
    style : str, default=""
        What this page has beside the common look.
    """
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}{style}</style></head>\n<body>\n'
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: frozenset[int] | set[int] = frozenset()
) -> str:
    """Write a table of cells that are HTML; nothing where there is no row.

    Parameters
    ----------
    heads : sequence of str
        Of the columns.
    rows : iterable of sequence of str
        Cells.
    numbers : set of int, optional
        Places of columns that are aligned to the right.
    """

    def cells(tag: str, items: Sequence[str]) -> str:
        kinds = [' class="number"' if place in numbers else "" for place in range(len(items))]
        return "".join(f"<{tag}{kind}>{item}</{tag}>" for kind, item in zip(kinds, items, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>\n" for row in rows)
    if not body:
        return ""
    head = f"<thead><tr>{cells('th', heads)}</tr></thead>"
    return f'<div class="scroll"><table>{head}\n<tbody>\n{body}</tbody></table></div>'
