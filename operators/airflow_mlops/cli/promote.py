"""``airflow-mlops promote`` and ``role``: let a version serve, or give it another role, because somebody says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from airflow_mlops.cli.asked import add_moment, add_reason, add_spec, moment_of, spec_of
from airflow_mlops.cli.places import add_places, ledger_of, mlflow_hook_of, mlflow_of, store_of, target_of
from airflow_mlops.errors import LedgerMisuse
from airflow_mlops.lifecycle.roles import Given

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from airflow_mlops.lifecycle.by_hand import ByHand
    from airflow_mlops.refs import DeploymentRef

_RUN = "airflow-mlops promote"


def add_to(commands: _SubParsersAction) -> None:
    """Add the commands to the parser."""
    promote = commands.add_parser(
        "promote",
        help="make a registered version champion, from this registry or another",
        description="Make a version champion that passed its evaluation. It is tried in a process of its own first and "
        "swapped in only if the champion has not moved. With --from-... it is copied from another registry by its "
        "digests and registered here before.",
    )
    _add_version(promote)
    add_spec(promote)
    promote.add_argument("--expected-epoch", type=int, metavar="N", help="refuse where the ledger is at another epoch")
    add_places(promote)
    add_places(promote, of="from")
    promote.set_defaults(run=run_promote)

    role = commands.add_parser("role", help="give a version the role of shadow, candidate or retired")
    _add_version(role)
    role.add_argument("role", choices=get_args(Given), help="its role from now on")
    add_places(role, mlflow=False)
    role.set_defaults(run=run_role)


def _add_version(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="name of the spec")
    parser.add_argument("version", metavar="VERSION", help="as the ledger knows it")
    add_reason(parser)
    add_moment(parser)


def run_promote(options: Namespace) -> int:
    """Promote, from another registry where one is named.

    Raises
    ------
    LedgerMisuse
        The spec is of another model, or half of the source is named only.
    """
    from airflow_mlops.lifecycle.by_hand import ByHand

    spec = spec_of(options)
    with mlflow_of(options) as client:
        ledger = ledger_of(options, may_be_new=bool(options.from_ledger_conn_id))
        work = ByHand(spec, store_of(options), ledger, client, moment_of(options), _RUN, target_of(spec))
        deployed = _promote(options, work)
    verb = "serves now" if deployed.promoted else "serves already"
    print(f"version {deployed.version} of {spec.name} {verb}, at epoch {deployed.epoch}")
    return 0


def _promote(options: Namespace, work: ByHand) -> DeploymentRef:
    asked = {
        "by": options.by,
        "reason": options.reason,
        "expected_epoch": options.expected_epoch,
        "patience_s": work.spec.deploy.timeout.total_seconds(),
    }
    named = (options.from_ledger_conn_id, options.from_artifacts_uri)
    if not any(named):
        return work.promote(options.version, **asked)
    if not all(named):
        raise LedgerMisuse("a source is ledger and artifacts; give --from-ledger-conn-id and --from-artifacts-uri.")
    from airflow_mlops.lifecycle.transfer import Source, Transfer

    # A client that binds its own credentials for each call, inside ours.
    client = mlflow_hook_of(options, of="from").client if options.from_mlflow_conn_id else None
    source = Source(ledger_of(options, of="from"), store_of(options, of="from"), client)
    return Transfer(source, work, mlflow_hook_of(options).artifact_location).promote(options.version, **asked)


def run_role(options: Namespace) -> int:
    """Record the role; MLflow shows it from the next look on."""
    from airflow_mlops.lifecycle.roles import give_role

    ledger = ledger_of(options)
    given = give_role(
        ledger,
        options.model,
        options.version,
        options.role,
        by=options.by,
        reason=options.reason,
        at=moment_of(options),
    )
    verb = "is now" if given else "was already"
    print(f"version {options.version} of {options.model} {verb} {options.role}")
    return 0
