"""``airflow-mlops calibrate``: thresholds of drift from past windows in which nothing was wrong."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.cli.asked import refuse_to_overwrite
from airflow_mlops.cli.moments import iso_time
from airflow_mlops.errors import CalibrationUnusable

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction
    from collections.abc import Iterator

    import pandas as pd

    from airflow_mlops.loop.calibration import Calibration
    from airflow_mlops.spec import ModelSpec

# Without --from: so many windows, and the rows before the first of them that it is compared with.
_WINDOWS = 100
# A champion is trained on so many windows at least; a first one is compared with no fewer.
_LEAST_REFERENCE = 4
# Rows of the reference beyond these make a threshold no surer: the window is the smaller sample.
_REFERENCE_ROWS = 20_000


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "calibrate",
        help="find thresholds of drift for a stated rate of false alarms",
        description="Cut past rows that are believed to be stable into windows of the monitor, compare each with the "
        "rows before it, and print the threshold of each column that gives a stated rate of false alarms a look.",
    )
    parser.add_argument("spec", metavar="SPEC", help="a spec file")
    parser.add_argument("--history", metavar="DIR", help="Parquet files to read instead of the spec's source")
    parser.add_argument("--from", dest="start", type=iso_time, metavar="TIME", help="default: 100 windows earlier")
    parser.add_argument("--to", dest="end", type=iso_time, metavar="TIME", help="default: retrain.now, or now")
    parser.add_argument(
        "--false-alarms", type=float, metavar="RATE", help="share of looks with an alarm; default: drift.false_alarms"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the section 'drift' there, as YAML")
    parser.add_argument("--force", action="store_true", help="write over a file that is there already")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print the thresholds, and write them where that is asked for.

    Raises
    ------
    Permanent
        The file is there already.
    CalibrationUnusable
        The rate is none, or the history is empty or too short.
    """
    refuse_to_overwrite(options.write, force=options.force)
    from rich.console import Console

    from airflow_mlops.loop.calibration import calibrate, require_rate
    from airflow_mlops.spec import load_spec

    spec = load_spec(options.spec)
    wanted = spec.drift.false_alarms if options.false_alarms is None else options.false_alarms
    require_rate(wanted)
    end = _utc(options.end or spec.retrain.now or datetime.now(UTC))
    with Console(stderr=True).status(f"reading the rows of {spec.name}"):
        rows = _read(spec, options, end)
    found = calibrate(_replayed(rows, spec, end), false_alarms=wanted)
    _show(found)
    if options.write is not None:
        options.write.write_text(_as_yaml(found, spec), "utf-8")
        print(f"wrote {options.write}", file=sys.stderr)
    return 0


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _read(spec: ModelSpec, options: Namespace, end: datetime) -> pd.DataFrame:
    """Read the columns that are compared, and the time, in its order."""
    from airflow_mlops.hooks.source import SourceHook
    from airflow_mlops.spec.data_sections import FileSource
    from airflow_mlops.stages.ingest import ingest

    start = options.start or end - spec.ingest.window - _WINDOWS * spec.monitor_window
    if start >= end:
        raise CalibrationUnusable(f"there is no time from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}; turn them.")
    source: Any = spec.data.source
    if options.history:
        source = FileSource(kind="file", uri=str(Path(options.history).absolute()), format="parquet")
    time, columns = spec.data.time, [*_columns(spec), spec.data.time]
    raw = SourceHook(source, base_dir=spec.base_dir).read(start, end, time)
    # By time alone: an order of equal times changes no threshold.
    table, _ = ingest(raw, time=time, key=(), columns=columns, start=start, end=end)
    return table.select(columns).to_pandas()


def _columns(spec: ModelSpec) -> list[str]:
    return [name for name in spec.drift.columns or spec.features.columns if name not in spec.data.sensitive]


def _replayed(rows: pd.DataFrame, spec: ModelSpec, end: datetime) -> dict[str, list[float]]:
    """Return the effects of each column window by window; a column that some window lacks is left out."""
    from rich.console import Console
    from rich.progress import Progress

    from airflow_mlops.stages.drift.effects import measure_effects

    columns, cuts = _columns(spec), list(_windows(rows, spec, end))
    found: dict[str, list[float]] = {name: [] for name in columns}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for then, now in progress.track(cuts, description=f"{len(cuts)} windows of {spec.name}"):
            for name, effect in measure_effects(then, now, columns).items():
                found[name].append(effect.value)
    left_out = [name for name, effects in found.items() if len(effects) < len(cuts)]
    if left_out and cuts:
        print(f"left out, for not every window has values that compare: {', '.join(left_out)}", file=sys.stderr)
    return {name: effects for name, effects in found.items() if name not in left_out or not cuts}


def _windows(rows: pd.DataFrame, spec: ModelSpec, end: datetime) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield the rows before each window, as many as a training takes, and those of the window, back from ``end``.

    A window with too few rows for a verdict at a look is left out.
    """
    from airflow_mlops.loop.verdicts.drift import FEWEST_ROWS

    times, length = rows[spec.data.time], spec.monitor_window
    least = min(spec.ingest.window, _LEAST_REFERENCE * length)
    while end - length - least >= times.iloc[0]:
        start = end - length
        before, inside, after = times.searchsorted([start - spec.ingest.window, start, end])
        then, now = rows.iloc[before:inside], rows.iloc[inside:after]
        if min(len(then), len(now)) >= FEWEST_ROWS:
            yield (then.sample(_REFERENCE_ROWS, random_state=0) if len(then) > _REFERENCE_ROWS else then), now
        end = start


def _show(found: Calibration) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    table.add_column("column")
    for heading in ("usual", "largest", "threshold"):
        table.add_column(heading, justify="right")
    for name, threshold in sorted(found.thresholds.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{found.usual[name]:.3f}", f"{found.largest[name]:.3f}", f"{threshold:.4f}")
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    console.print(_promise(found), markup=False)
    if found.blind:
        console.print(_blindness(found), markup=False)


def _promise(found: Calibration) -> str:
    """Say what rate of false alarms is had, and how surely."""
    said = (
        f"{found.windows} past windows: {found.rate:.1%} of looks at rows like these alarm "
        f"(these thresholds: {found.low:.1%} to {found.high:.1%}, 95 %)."
    )
    if found.is_reached:
        return said
    return (
        f"{said} {found.wanted:.1%} was asked for and cannot be had from them; it takes {found.windows_needed} windows."
    )


def _blindness(found: Calibration) -> str:
    """Say that thresholds find almost nothing, and which columns make them so."""
    from airflow_mlops.loop.calibration import ALMOST_ALL

    said = (
        f"Almost nothing would be found in {', '.join(found.blind)}: an effect is 1 at most, and these thresholds are "
        f"{ALMOST_ALL:g} or more. All thresholds go by the farthest move of {', '.join(found.widest)}, beside its "
        "usual ones."
    )
    if not found.restless:
        return said
    return (
        f"{said} Leave {', '.join(found.restless)} out of drift.columns: what moves so far where nothing is wrong, as "
        "a season does, tells nothing."
    )


def _as_yaml(found: Calibration, spec: ModelSpec) -> str:
    """Write the spec's section with its other keys as they are."""
    import yaml

    given = spec.drift.model_dump(mode="json", exclude_unset=True)
    section = given | {"false_alarms": round(max(found.rate, found.wanted), 4), "thresholds": found.thresholds}
    head = f"# By airflow-mlops calibrate. {_promise(found)}\n"
    return head + yaml.safe_dump({"drift": section}, sort_keys=False, allow_unicode=True)
