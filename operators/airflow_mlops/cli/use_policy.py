"""``airflow-mlops use-policy``: let the policy in shadow decide, or the spec's own again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.cli.asked import add_moment, add_reason, add_spec, moment_of, spec_of
from airflow_mlops.cli.places import add_places, ledger_of

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "use-policy",
        help="let the policy in shadow decide, or the spec's own again",
        description="Have retrain.shadow decide from the next look on while retrain.policy only records, or the other "
        "way round again. It holds until the section retrain of the spec changes.",
    )
    parser.add_argument("model", metavar="MODEL", help="name of the spec")
    parser.add_argument("policy", choices=("shadow", "own"), help="which one decides")
    add_spec(parser)
    add_reason(parser)
    add_moment(parser)
    add_places(parser, mlflow=False)
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Record it, and say what is so now.

    Raises
    ------
    LedgerMisuse
        The spec is of another model, or has no policy in shadow.
    """
    from airflow_mlops.lifecycle.override import override_of, use_policy

    spec, ledger = spec_of(options), ledger_of(options)
    event = use_policy(
        ledger,
        spec,
        options.policy,
        reason=options.reason,
        by=options.by,
        at=moment_of(options),
        run=f"airflow-mlops by {options.by}",
    )
    now = override_of(ledger.state(spec.name), spec)
    # The own one may have its place back because the spec changed, and then nobody asked for it.
    shadow = f"the policy in shadow decides, asked for by {now.by} ({now.reason})" if now else None
    print(f"{spec.name}: {shadow or 'its own policy decides'}{'' if event else ', as before'}")
    return 0
