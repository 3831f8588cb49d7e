"""``airflow-mlops rollback``: have the last version that served well serve again."""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.moments import iso_time
from airflow_mlops.cli.places import add_places, asked_by, ledger_of, mlflow_hook_of, store_of, target_of
from airflow_mlops.errors import LedgerMisuse, NotReady, ServerRefused

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from airflow_mlops.lifecycle.rollback import Rollback
    from airflow_mlops.lifecycle.targets import Target
    from airflow_mlops.refs import RollbackRef
    from airflow_mlops.spec import ModelSpec


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "rollback",
        help="have the last version that served well serve again, and freeze the bad one",
        description="Go back to the last version that served well: it is tried out, loaded and probed first, then "
        "swapped in, and the bad one is frozen in the same write. MLflow may be away.",
    )
    parser.add_argument("model", metavar="MODEL", help="name of the spec")
    parser.add_argument("--spec", type=Path, required=True, metavar="FILE", help="spec of the model")
    parser.add_argument("--of", metavar="VERSION", help="what has to go; nothing is done where it does not serve")
    parser.add_argument("--to", metavar="VERSION", help="what shall serve; default: the last that served well")
    parser.add_argument("--no-freeze", action="store_true", help="leave the bad version free to be promoted again")
    add_reason(parser)
    add_places(parser)
    parser.set_defaults(run=run)


def add_reason(parser: ArgumentParser) -> None:
    """Add what every act of a person is recorded with."""
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; kept on record beside the name")
    parser.add_argument("--by", default=asked_by(), metavar="NAME", help="who asks; default: the login name")
    parser.add_argument("--now", type=iso_time, metavar="TIME", help="event time, ISO 8601; default: the clock")


def run(options: Namespace) -> int:
    """Roll back, and wait for the server.

    Raises
    ------
    LedgerMisuse
        The spec is of another model.
    MLOpsError
        It was refused, or the server did not follow in time; the sentence says which.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    rollback = _rollback(options)
    serving = rollback.ledger.state(options.model).champion
    print(f"{options.model}: version {serving.version if serving else 'none'} serves; looking for what to go back to")
    timeout_s = rollback.spec.deploy.timeout.total_seconds()
    try:
        back = rollback.roll_back_within(timeout_s)
    except NotReady as wait:
        raise rollback.give_up(wait, after_s=timeout_s) from wait
    print(_told(back))
    return 0


def _rollback(options: Namespace) -> Rollback:
    from airflow_mlops.lifecycle.rollback import Rollback
    from airflow_mlops.spec import load_spec

    spec = load_spec(options.spec)
    if spec.name != options.model:
        raise LedgerMisuse(f"{options.spec} is the spec of {spec.name}, not of {options.model}; give the one or other.")
    return Rollback(
        spec=spec,
        store=store_of(options),
        ledger=ledger_of(options),
        client=mlflow_hook_of(options).client,
        moment=options.now or datetime.now(UTC),
        run=f"airflow-mlops rollback {uuid.uuid4().hex[:12]}",
        reason=options.reason,
        by=options.by,
        of_version=options.of,
        to=options.to,
        freeze=not options.no_freeze,
        target=_target(spec),
    )


def _target(spec: ModelSpec) -> Target:
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return target_of(spec)
    except AirflowNotFoundException as error:
        raise ServerRefused(
            f"Airflow has no connection {spec.deploy.server!r}, which deploy.server of {spec.name} names; set "
            f"AIRFLOW_CONN_{str(spec.deploy.server).upper()} or add it."
        ) from error


def _told(back: RollbackRef) -> str:
    frozen = ", which is frozen" if back.frozen else ""
    parts = ", ".join(f"{name} {value:.1f} s" for name, value in back.seconds.items())
    return f"version {back.version} serves at epoch {back.epoch} in place of version {back.replaced}{frozen} ({parts})"
