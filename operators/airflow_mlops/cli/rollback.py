"""``airflow-mlops rollback``: have the last version that served well serve again."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

from airflow_mlops.cli.asked import add_moment, add_reason, add_spec, moment_of, spec_of
from airflow_mlops.cli.places import add_places, ledger_of, mlflow_hook_of, store_of, target_of
from airflow_mlops.errors import NotReady

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

    from airflow_mlops.lifecycle.rollback import Rollback
    from airflow_mlops.refs import RollbackRef


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "rollback",
        help="have the last version that served well serve again, and freeze the bad one",
        description="Go back to the last version that served well: it is tried out, loaded and probed first, then "
        "swapped in, and the bad one is frozen in the same write. MLflow may be away.",
    )
    parser.add_argument("model", metavar="MODEL", help="name of the spec")
    add_spec(parser)
    parser.add_argument("--of", metavar="VERSION", help="what has to go; nothing is done where it does not serve")
    parser.add_argument("--to", metavar="VERSION", help="what shall serve; default: the last that served well")
    parser.add_argument("--no-freeze", action="store_true", help="leave the bad version free to be promoted again")
    add_reason(parser)
    add_moment(parser)
    add_places(parser)
    parser.set_defaults(run=run)


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

    spec = spec_of(options)
    return Rollback(
        spec=spec,
        store=store_of(options),
        ledger=ledger_of(options),
        client=mlflow_hook_of(options).client,
        moment=moment_of(options),
        run=f"airflow-mlops rollback {uuid.uuid4().hex[:12]}",
        reason=options.reason,
        by=options.by,
        of_version=options.of,
        to=options.to,
        freeze=not options.no_freeze,
        target=target_of(spec),
    )


def _told(back: RollbackRef) -> str:
    frozen = ", which is frozen" if back.frozen else ""
    parts = ", ".join(f"{name} {value:.1f} s" for name, value in back.seconds.items())
    return f"version {back.version} serves at epoch {back.epoch} in place of version {back.replaced}{frozen} ({parts})"
