"""A trained model as the artifact store keeps it: its bytes and its golden rows, read without loading the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from airflow_mlops.errors import ArtifactMissing
from airflow_mlops.stages import golden, model_file

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import ModelRef

GOLDEN = "golden.parquet"


@dataclass(frozen=True)
class StoredModel:
    """What *register* needs of a model.

    ``payload`` are the model's bytes, already checked against their digest; ``rows`` the golden rows without
    predictions; ``outputs`` how many numbers were predicted for each.
    """

    payload: bytes = field(repr=False)
    digest: str
    serialization: str
    rows: pa.Table = field(repr=False)
    outputs: int

    @classmethod
    def read(cls, store: ArtifactStore, model: ModelRef) -> Self:
        """Read a model's folder.

        Raises
        ------
        ArtifactMissing
            The folder is not complete.
        ArtifactCorrupt
            The model's bytes are not those that were trained.
        """
        if store.manifest(model.uri) is None:
            raise ArtifactMissing(f"no complete model is stored at {model.uri}; run train again.")
        table = store.read_table(f"{model.uri}/{GOLDEN}")
        rows = [name for name in table.column_names if not name.startswith(golden.PREFIX)]
        return cls(
            payload=store.read_bytes(model_file.model_uri(model), digest=model.digest),
            digest=model.digest,
            serialization=model.serialization,
            rows=table.select(rows),
            outputs=table.num_columns - len(rows),
        )

    @property
    def file(self) -> str:
        """Name of the model's file, in the store and in MLflow."""
        return model_file.file_name(self.digest, self.serialization)

    @property
    def predict(self) -> str:
        """Method that gives the predictions: probabilities have a column for each class."""
        return "predict_proba" if self.outputs > 1 else "predict"
