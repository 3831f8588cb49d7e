"""The tables of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

CALLED = {
    "never": "never again",
    "every_all": "every batch, all history",
    "every_recent": "every batch, recent",
    "committee": "[bold]committee[/bold]",
    "single": "[bold]single[/bold]",
    "committee_gates": "committee, with gates",
    "single_gates": "single, with gates",
    "excess_loss": "excess_loss",
    "periodic": "clock, as often as committee; newest serves",
    "periodic_committee": "clock, as often; committee serves",
    "periodic_single": "clock, as often as single; single serves",
    "evidently": "Evidently, drift share >= 0.5",
    "adwin": "ADWIN on errors",
    "page_hinkley": "Page-Hinkley on errors",
    "every_committee": "every batch, committee serves",
    "bag_of_eight": "static bag of eight",
    "correction_only": "correction only",
    "oracle_equal": "oracle, as often as committee",
    "oracle": "oracle",
}
SHOWN = ("never", "committee", "single", "committee_gates", "single_gates", "periodic_committee", "evidently", "oracle")


def show(found: Mapping[str, Any]) -> None:
    """Print policies, streams, and what was left out or failed."""
    console = Console(width=150)
    drifting = sum(not stream["control"] for stream in found["streams"].values())
    console.print(policies(found["policies"], f"{drifting} drifting streams"))
    console.print(streams(found["streams"]))
    for kind, grid in found.get("neighbours", {}).items():
        console.print(neighbours(kind, grid))
    for line in found["left_out"]:
        console.print(line, style="yellow", markup=False)
    for name, sentence in found["failed"].items():
        console.print(f"{name}: {sentence}", style="red", markup=False)


def policies(rows: Mapping[str, Mapping[str, Any]], title: str) -> Table:
    """Lay out one line a policy."""
    table = Table(title=f"Gain kept, {title}")
    table.add_column("policy")
    heads = ("mean", "capped", "worst", "one draw: capped", "worst", "strict", "worst", "trainings %", "control %")
    for head in heads:
        table.add_column(head, justify="right")
    for name in [name for name in CALLED if name in rows]:
        row = rows[name]
        gains = (
            "mean",
            "capped_mean",
            "worst",
            "one_draw_capped_mean",
            "one_draw_worst",
            "strict_mean",
            "strict_worst",
        )
        shares = ("trainings_pct", "control_trainings_pct")
        table.add_row(CALLED[name], *(_number(row[key], 2) for key in gains), *(_number(row[key], 1) for key in shares))
    return table


def streams(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """Lay out one line a stream: gain kept and, in brackets, trainings in percent."""
    table = Table(title="By stream: gain kept (trainings %)")
    shown = [name for name in SHOWN if any(name in row["policies"] for row in rows.values())]
    for head in ("stream", "task", "batches", *(CALLED[name] for name in shown)):
        table.add_column(head, justify="left" if head == "stream" else "right")
    for name, row in rows.items():
        told = [_cell(row["policies"].get(policy), is_control=row["control"]) for policy in shown]
        table.add_row(f"{name} (control)" if row["control"] else name, row["task"], str(row["batches"]), *told)
    return table


def neighbours(kind: str, grid: Mapping[str, Any]) -> Table:
    """Lay out one line a setting, and below what they average to and what a choice without the stream gives."""
    table = Table(title=f"Settings beside the defaults: {kind}")
    names = ("capped_mean", "worst", "trainings_pct", "control_trainings_pct")
    for head in ("setting", "capped", "worst", "trainings %", "control %"):
        table.add_column(head, justify="left" if head == "setting" else "right")
    average, left_out = {"setting": "average", **grid["average"]}, {"setting": "chosen without the stream"}
    for row in (*grid["settings"], average, {**left_out, **grid["left_out"]}):
        table.add_row(row["setting"], *(_number(row.get(name), 1 if "pct" in name else 3) for name in names))
    return table


def _cell(row: Mapping[str, Any] | None, *, is_control: bool) -> str:
    if row is None:
        return "-"
    gain = "" if is_control else f"{_number(row['gain_kept'], 2)} "
    return f"{gain}({row['trainings_pct']:.1f})"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
