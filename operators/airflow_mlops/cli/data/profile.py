"""``airflow-mlops data profile``: what is in the rows of a source, which are not ingested."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.cli.asked import refuse_to_overwrite
from airflow_mlops.cli.data.columns import add_forms, show_columns, write_page
from airflow_mlops.cli.moments import iso_time

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.profile import Profile


def add_to(actions: _SubParsersAction) -> None:
    """Add the action to the parser."""
    parser = actions.add_parser("profile", help="show what is in the rows of a spec's source; nothing is ingested")
    parser.add_argument("spec", metavar="SPEC", help="a spec file")
    parser.add_argument("--now", type=iso_time, metavar="TIME", help="where the window ends; default: retrain.now")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the profile, which merges, as JSON instead")
    add_forms(parser, page="the profile as one page")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Show, or write.

    Raises
    ------
    Permanent
        A file is there already.
    """
    from airflow_mlops.spec import load_spec

    refuse_to_overwrite(options.html, options.output, force=options.force)
    spec = load_spec(options.spec)
    end = options.now or spec.retrain.now or datetime.now(UTC)
    start = end - spec.ingest.window
    profile, made = _profile(spec, start, end)
    facts = {"from": f"{start:%Y-%m-%d %H:%M}", "to": f"{end:%Y-%m-%d %H:%M}", "rows": f"{profile.rows:,}, {made}"}
    if options.html:
        from airflow_mlops.stages.profile.page import render_profile

        write_page(options.html, render_profile(profile, title=spec.name, facts=facts))
    if options.output:
        stored = {**profile.to_dict(), "sensitive": sorted(spec.data.sensitive)}
        options.output.write_text(json.dumps(stored), "utf-8")
        print(f"wrote {options.output}")
    if options.json:
        print(json.dumps(_plain(profile, start, end), indent=2))
    elif not options.html and not options.output:
        for name, said in facts.items():
            print(f"{name}: {said}")
        show_columns(profile, options.limit)
    return 0


def _profile(spec: ModelSpec, start: datetime, end: datetime) -> tuple[Profile, str]:
    """Profile the window in the source's database where its SQL is known, else stream its rows.

    Raises
    ------
    EmptyWindow
        There is no row.
    """
    from airflow_mlops.errors import EmptyWindow
    from airflow_mlops.hooks.source import SourceHook
    from airflow_mlops.hooks.source.pushdown import is_profiled_there, profile_where_it_is
    from airflow_mlops.operators.ingest import Part
    from airflow_mlops.stages.ingest import Cut
    from airflow_mlops.stages.profile import profile_batches

    part, sensitive = Part.of(spec, "rows"), spec.data.sensitive
    if part.source.kind == "sql" and is_profiled_there(part.source):
        profile = profile_where_it_is(part.source, start, end, time=part.time, sensitive=sensitive)
        if not profile.rows:
            raise EmptyWindow(start=start, end=end, rows_read=0, span=None)
        return profile, "counted in their database"

    def streamed(rows: pa.RecordBatchReader) -> Profile:
        import pyarrow

        cut = Cut(rows.schema, part.wanted(start, end))
        pieces = (cut.keep(pyarrow.Table.from_batches([batch])) for batch in rows)
        profile = profile_batches(
            (each for piece in pieces for each in piece.to_batches()), cut.schema, sensitive=sensitive
        )
        cut.report()  # refuses no rows
        return profile

    return SourceHook(part.source, base_dir=spec.base_dir).feed(start, end, part.time, streamed), "streamed"


def _plain(profile: Profile, start: datetime, end: datetime) -> dict[str, Any]:
    from airflow_mlops.stages.profile.diff import column_facts

    columns = {name: column_facts(column) for name, column in profile.columns.items()}
    return {"from": start.isoformat(), "to": end.isoformat(), "rows": profile.rows, "columns": columns}
