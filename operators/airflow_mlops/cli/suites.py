"""``airflow-mlops suggest-suite``: a first suite, for a person to sharpen."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.cli.asked import refuse_to_overwrite
from airflow_mlops.cli.moments import iso_time
from airflow_mlops.errors import ArtifactMissing

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

    from rich.status import Status

    from airflow_mlops.spec import ModelSpec

_HEAD = "# Drafted by airflow-mlops suggest-suite from {rows:,} rows. Read it, sharpen it, and keep it under review.\n"


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "suggest-suite",
        help="draft a Great Expectations suite from good rows",
        description="Draft a suite from rows that are believed to be good: those of a spec's source, or of a snapshot.",
    )
    parser.add_argument(
        "rows", metavar="SPEC|SNAPSHOT", help="a spec file, or the folder of a snapshot that was validated"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there; default: print it")
    parser.add_argument("--force", action="store_true", help="write over a suite that is there already")
    parser.add_argument("--now", type=iso_time, metavar="TIME", help="where a spec's window ends; default: retrain.now")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print or write the draft.

    Raises
    ------
    Permanent
        The file is there already, and a person may have sharpened it.
    """
    refuse_to_overwrite(options.output, force=options.force)
    from rich.console import Console

    from airflow_mlops.stages.validate.suggest import suggest_suite

    with Console(stderr=True).status("") as status:
        is_spec = options.rows.endswith((".yaml", ".yml"))
        name, facts, share = (_of_spec if is_spec else _of_snapshot)(options, status)
        suite = _HEAD.format(rows=facts["rows"]) + _as_yaml(suggest_suite(facts, name, share=share))
    if options.output is None:
        print(suite, end="")
        return 0
    options.output.write_text(suite, "utf-8")
    print(f"wrote {options.output}", file=sys.stderr)
    return 0


def _of_spec(options: Namespace, status: Status) -> tuple[str, dict[str, Any], float]:
    """Read the window of the spec, as *ingest* would, and facts it; nothing is stored.

    Returns
    -------
    name : str
        Of the model.
    facts : dict
        Of the rows.
    share : float
        The smallest window that a DAG of the spec reads, in terms of this one.
    """
    from airflow_mlops.spec import load_spec
    from airflow_mlops.stages.validate import facts_of

    spec = load_spec(options.rows)
    end = options.now or spec.retrain.now or datetime.now(UTC)
    status.update(f"reading the rows of {spec.name} before {end:%Y-%m-%d %H:%M}")
    table = _read(spec, end if end.tzinfo else end.replace(tzinfo=UTC))
    status.update(f"profiling {table.num_rows:,} rows")
    smallest = min(spec.ingest.window, spec.monitor_window, spec.score_window)
    return spec.name, facts_of(table, spec), smallest / spec.ingest.window


def _read(spec: ModelSpec, end: datetime) -> Any:
    from airflow_mlops.hooks.source import SourceHook
    from airflow_mlops.operators.ingest import Part
    from airflow_mlops.stages.ingest import ingest

    part, start = Part.of(spec, "rows"), end - spec.ingest.window
    raw = SourceHook(part.source, base_dir=spec.base_dir).read(start, end, part.time)
    table, _ = ingest(raw, time=part.time, key=part.key_columns, columns=part.columns, start=start, end=end)
    return table


def _of_snapshot(options: Namespace, status: Status) -> tuple[str, dict[str, Any], float]:
    """Read the facts that *validate* left beside a snapshot: it knows which columns are sensitive.

    Returns
    -------
    name : str
        Of the model.
    facts : dict
        Of the rows.
    share : float
        One: which other windows there are, only a spec says.

    Raises
    ------
    ArtifactMissing
        There is no facts.
    """
    from airflow_mlops.hooks.artifacts import ArtifactsHook

    folder = options.rows.rstrip("/")
    status.update(f"reading the facts of {folder}")
    store = ArtifactsHook(uri=folder).store
    facts = store.uri("facts.json")
    if not store.exists(facts):
        raise ArtifactMissing(f"{folder} has no facts.json: it is no snapshot, or was not validated; name its spec.")
    # {model}/snapshots/{id}
    name = Path(folder).absolute().parts[-3] if "://" not in folder else folder.split("/")[-3]
    return name, store.read_json(facts), 1.0


def _as_yaml(suite: dict[str, Any]) -> str:
    """Write one expectation a line, so that a review shows which one changed."""
    import yaml

    lines = [
        yaml.safe_dump(item, default_flow_style=True, sort_keys=False, width=10_000) for item in suite["expectations"]
    ]
    return f"name: {suite['name']}\nexpectations:\n" + "".join(f"  - {line}" for line in lines)
