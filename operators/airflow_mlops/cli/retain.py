"""``airflow-mlops retain``: delete what nobody needs any more, or say what that would be."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_mlops.cli.asked import add_moment, add_name, add_spec, moment_of, spec_of
from airflow_mlops.cli.places import add_places, ledger_of, mlflow_of, store_of
from airflow_mlops.lifecycle.retention import LAKE

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.lifecycle.retention import RetentionPlan


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "retain",
        help="delete versions, snapshots, reports and predictions that are past their limits",
        description="Say what the spec's section retention lets go of, and delete it with --apply. What serves, what "
        "has served, their members and what they were trained on are kept in any case.",
    )
    parser.add_argument("model", metavar="MODEL", help="name of the spec")
    add_spec(parser)
    parser.add_argument("--apply", action="store_true", help="delete; without it nothing is touched")
    add_name(parser)
    add_moment(parser)
    parser.add_argument("--json", action="store_true", help="print what goes and what is kept, each with its reason")
    add_places(parser)
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Plan, and delete where asked to."""
    from airflow_mlops.lifecycle.sweep import Sweep

    spec = spec_of(options)
    with mlflow_of(options) as client:
        store = store_of(options)
        sweep = Sweep(spec, store, ledger_of(options), client, moment_of(options), _predictions(store, spec.name))
        found = sweep.apply(by=options.by) if options.apply else sweep.plan()
    if options.json:
        print(json.dumps({**found.to_dict(), "applied": options.apply}, indent=2))
    else:
        _show(found, applied=options.apply)
    return 0


def _predictions(store: ArtifactStore, model: str) -> dict[str, datetime]:
    """Return the files of the prediction log with the time of their last row, which their names say."""
    from airflow_mlops.serving.prediction_log.places import compacted_files

    files = compacted_files(store, model)
    return {each.uri: datetime.strptime(each.last, "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC) for each in files}


def _show(found: RetentionPlan, *, applied: bool) -> None:
    for item in found.goes:
        print(f"{'deleted' if applied else 'goes'}: {item.kind} {item.name}: {item.reason}")
    # Nothing here can hold a lake's own clean-up back: whoever runs it has to know.
    for item in found.kept:
        if item.kind == LAKE:
            print(f"must be kept in the lake: {item.name}: {item.reason}")
    kinds = Counter(item.kind for item in found.kept)
    print(f"kept: {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items())) or 'nothing'}")
    if found.goes and not applied:
        print("nothing was deleted; --apply does it")
