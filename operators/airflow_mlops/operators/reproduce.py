"""Train a version again from what was recorded, and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops import __version__
from airflow_mlops.errors import ReproductionDiffers
from airflow_mlops.operators.base import StageOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_mlops.refs import ReproductionRef
    from airflow_mlops.spec import ModelSpec


class ReproduceOperator(StageOperator):
    """Train a version a second time from its recorded snapshots and spec, and compare what the two predict.

    The second model is thrown away. The task fails where it predicts something else, with the first part of the chain
    that differs.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; section ``reproduce`` is used here. A version is trained by the spec kept with it.
    version : str or None, templated
        Which version; None or empty: the champion.
    """

    stage = "reproduce"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "version")

    def __init__(self, *, spec: ModelSpec | str, version: str | None = None, **kwargs: Any) -> None:
        super().__init__(spec=spec, **kwargs)
        self.version = version

    def run_stage(self, context: Context) -> ReproductionRef:
        """Train, compare, and record what was found.

        Raises
        ------
        ReproductionDiffers
            The second model predicts something else.
        """
        from airflow_mlops.lifecycle.reproduce import Reproducer, record_reproduction

        spec = self.model_spec
        reproducer = Reproducer(self.store, self.ledger, spec, tolerance=spec.reproduce.tolerance)
        version, found = reproducer.reproduce(spec.name, self.version)
        ref = record_reproduction(
            self.ledger,
            spec.name,
            version,
            found,
            at=self.moment,
            code_version=f"airflow-provider-mlops {__version__}",
            run=context["run_id"],
        )
        self.log.info(ref.sentence)
        if ref.verdict == "different":
            raise ReproductionDiffers(ref.sentence)
        return ref
