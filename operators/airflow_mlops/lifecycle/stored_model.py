"""A trained model as the artifact store keeps it: its bytes and its golden rows, read without loading the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.errors import ArtifactMissing
from airflow_mlops.stages.model_file import model_uri

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import ModelRef


@dataclass(frozen=True)
class StoredModel:
    """What *register* and *deploy* need of a model.

    ``predict`` is the method whose answers ``expected`` holds for the ``golden`` rows: class probabilities, labels or
    numbers, as JSON. ``trusted_types`` are those that skops has to be told when it loads ``file``.
    """

    model: ModelRef
    store: ArtifactStore
    file: str
    trusted_types: list[str]
    predict: str
    expected: list[Any] = field(repr=False)

    @classmethod
    def read(cls, store: ArtifactStore, model: ModelRef) -> Self:
        """Read a model's folder, but not the model.

        Raises
        ------
        ArtifactMissing
            The folder is not complete.
        """
        manifest = store.manifest(model.uri)
        if manifest is None:
            raise ArtifactMissing(f"no complete model is stored at {model.uri}; run train again.")
        return cls(
            model=model,
            store=store,
            # By the reference and not by the manifest: of two tries that overlapped, the other may have written that.
            file=model_uri(model).rpartition("/")[2],
            trusted_types=manifest["trusted_types"],
            predict=manifest["predict"],
            expected=manifest["golden_predictions"],
        )

    @property
    def golden_uri(self) -> str:
        """Parquet file of the golden rows."""
        return f"{self.model.uri}/golden.parquet"

    @cached_property
    def golden(self) -> pa.Table:
        """The golden rows.

        Raises
        ------
        ArtifactCorrupt
            They cannot be read.
        """
        return self.store.read_table(self.golden_uri)

    @property
    def payload(self) -> bytes:
        """The model's bytes.

        Raises
        ------
        ArtifactCorrupt
            They are not those that were trained.
        """
        return self.store.read_bytes(f"{self.model.uri}/{self.file}", digest=self.model.digest)


def write_model(store: ArtifactStore, folder: str, name: str, model: Any) -> dict[str, Any]:
    """Write a fitted model into a folder, and say in a manifest's words what a reader of it needs.

    Parameters
    ----------
    store : ArtifactStore
        Where to.
    folder : str
        URI of the folder.
    name : str
        What the file holds: ``model``, ``baseline``.
    model : estimator
        Fitted.
    """
    from airflow_mlops.stages.model_file import describe, dump_model

    payload, serialization = dump_model(model)
    described = describe(name, payload, serialization)
    store.write_bytes(f"{folder}/{described['file']}", payload)
    return described


def load_stored(store: ArtifactStore, model: ModelRef) -> Any:
    """Load a model from the artifact store, after its bytes were checked.

    Raises
    ------
    ArtifactMissing, ArtifactCorrupt
        It is gone, or the bytes are not those that were trained.
    ModelUnusable
        It cannot be loaded.
    """
    from airflow_mlops.stages.model_file import load_model, model_uri

    return load_model(store.read_bytes(model_uri(model), digest=model.digest), model.serialization)
