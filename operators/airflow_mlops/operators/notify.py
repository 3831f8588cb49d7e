"""The notify operator, and how a task tells people by Airflow's notifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import conf

from airflow_mlops.operators.base import StageOperator
from airflow_mlops.refs import NoticesRef
from airflow_mlops.spec.imports import import_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from airflow_mlops.lifecycle.notices import Notices

# What Airflow itself takes for its address where nobody has configured it: a message needs a whole one.
_LOCAL = "http://localhost:8080"


class NotifyOperator(StageOperator):
    """Tell people what went wrong and what waits for their word, each once, by the notifiers that the spec names.

    What a look found goes out as one message with cause and link; nothing is told twice, however often this runs, and
    nothing that a pause or a promotion explains. A message is recorded after it was sent. Built into a DAG as a
    teardown, so that neither its failure nor its success is the run's. Without the section ``notify`` nobody is told.

    Parameters
    ----------
    spec : ModelSpec or str
        With the section ``notify``.
    """

    stage = "notify"

    def run_stage(self, context: Context) -> NoticesRef:
        """Send and record what has not been told.

        Raises
        ------
        NoticeFailed
            A notifier did not send; Airflow retries, and what others sent is not sent again.
        """
        told = notices_of(self, context).tell()
        self.log.info("%d things told", sum(map(len, told.values())))
        return NoticesRef(self.model_spec.name, told)


def notices_of(operator: StageOperator, context: Context) -> Notices:
    """Return what an operator's model has to tell, to be sent from the operator's task."""
    from airflow_mlops.lifecycle.notices import Notices

    def send(notifier: str, arguments: Mapping[str, Any]) -> None:
        # Not by calling the notifier: that would fill in templates again, in what the ledger says.
        import_object(notifier)(**arguments).notify(context)

    return Notices(
        spec=operator.model_spec,
        ledger=operator.ledger,
        send=send,
        base_url=conf.get("api", "base_url", fallback="") or _LOCAL,
        moment=operator.moment,
        run=context["run_id"],
    )
