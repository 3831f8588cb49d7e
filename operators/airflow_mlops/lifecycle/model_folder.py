"""An MLflow model folder around the bytes of a trained model.

``mlflow.sklearn.save_model`` would serialise the model a second time, to bytes with another digest. The folder is
written here from MLflow's own parts, around the very bytes that were trained and judged; `mlflow.pyfunc` and
`mlflow.sklearn` load it like any other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from mlflow.models import Model, ModelSignature
    from mlflow.types import DataType
    from mlflow.types.schema import AnyType

    from airflow_mlops.lifecycle.stored_model import StoredModel

_EXAMPLE, _SERVING_EXAMPLE = "input_example.json", "serving_input_example.json"


@dataclass(frozen=True)
class Packaging:
    """What the folder says besides the model itself."""

    columns: list[str]
    sensitive: list[str] = field(default_factory=list)
    example_rows: int = 3
    metadata: dict[str, Any] = field(default_factory=dict)


def write_model_folder(folder: Path, stored: StoredModel, packaging: Packaging, *, model_id: str | None = None) -> None:
    """Write ``MLmodel``, the model's bytes, its requirements and, where allowed, an input example.

    Parameters
    ----------
    folder : Path
        An empty folder.
    stored : StoredModel
        The model.
    packaging : Packaging
        Columns of the signature, and what may be shown of them.
    model_id : str, optional
        Id of MLflow's logged model that the folder belongs to.
    """
    import mlflow.pyfunc
    from mlflow.models import Model

    (folder / stored.file).write_bytes(stored.payload)
    rows = stored.golden.select(packaging.columns)
    model = Model(signature=_signature(rows, stored), metadata=packaging.metadata, model_id=model_id)
    mlflow.pyfunc.add_to_model(
        model,
        loader_module="mlflow.sklearn",
        model_path=stored.file,
        predict_fn=stored.predict,
        python_env="python_env.yaml",
    )
    model.add_flavor(
        "sklearn",
        pickled_model=stored.file,
        sklearn_version=version("scikit-learn"),
        serialization_format=stored.model.serialization,
        skops_trusted_types=stored.trusted_types or None,
        code=None,
    )
    _write_example(folder, model, rows, packaging)
    _write_environment(folder, stored)
    model.model_size_bytes = sum(path.stat().st_size for path in folder.iterdir())
    model.save(str(folder / "MLmodel"))


def requirements(serialization: str) -> list[str]:
    """Return what loading needs, at the versions that trained the model.

    They are given and not inferred: MLflow infers them by loading the model in another process, for half a minute.
    """
    return [f"{name}=={version(name)}" for name in ("mlflow", "numpy", "pandas", "scikit-learn", serialization)]


def _signature(rows: pa.Table, stored: StoredModel) -> ModelSignature:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    inputs = Schema([ColSpec(_type(rows.column(name)), name) for name in rows.column_names])
    answers = np.asarray(stored.expected)
    # Labels may be of any type, so nothing is promised of them.
    is_number = answers.dtype.kind == "f"
    outputs = Schema([TensorSpec(answers.dtype, (-1, *answers.shape[1:]))]) if is_number else None
    return ModelSignature(inputs, outputs)


def _type(column: pa.ChunkedArray) -> DataType | AnyType:
    """Return MLflow's type of a raw column.

    A whole number that is missing anywhere is a double, as it is in pandas. A column without a value (a sensitive one)
    takes anything: MLflow refuses a whole number where a double is promised, and a missing one where a whole one is.
    """
    import pyarrow.types as arrow
    from mlflow.types import DataType
    from mlflow.types.schema import AnyType

    kind = column.type.value_type if arrow.is_dictionary(column.type) else column.type
    if column.null_count == len(column):
        return AnyType()
    if arrow.is_integer(kind):
        whole = DataType.long if kind.bit_width == 64 else DataType.integer
        return DataType.double if column.null_count else whole
    if arrow.is_boolean(kind) and not column.null_count:
        return DataType.boolean
    if arrow.is_floating(kind):
        return DataType.double if kind.bit_width == 64 else DataType.float
    if arrow.is_string(kind) or arrow.is_large_string(kind):
        return DataType.string
    return DataType.datetime if arrow.is_timestamp(kind) else AnyType()


def _write_example(folder: Path, model: Model, rows: pa.Table, packaging: Packaging) -> None:
    # An example without a column of the signature would be one that the model refuses.
    if packaging.example_rows == 0 or set(packaging.sensitive) & set(packaging.columns):
        return
    frame = rows.slice(0, packaging.example_rows).to_pandas()
    example = frame.to_json(orient="split", index=False, date_format="iso")
    (folder / _EXAMPLE).write_text(example)
    (folder / _SERVING_EXAMPLE).write_text(json.dumps({"dataframe_split": json.loads(example)}))
    model.saved_input_example_info = {
        "artifact_path": _EXAMPLE,
        "type": "dataframe",
        "pandas_orient": "split",
        "serving_input_path": _SERVING_EXAMPLE,
    }


def _write_environment(folder: Path, stored: StoredModel) -> None:
    import platform

    needed = requirements(stored.model.serialization)
    (folder / "requirements.txt").write_text("\n".join(needed) + "\n")
    environment = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    (folder / "python_env.yaml").write_text(yaml.safe_dump(environment, sort_keys=False))
