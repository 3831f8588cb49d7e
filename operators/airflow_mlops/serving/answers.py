"""What goes out: JSON, with the version and the epoch that answered in every header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.errors import RequestRefused
    from airflow_mlops.serving.loaded import LoadedVersion


def _plain(value: Any) -> Any:
    """Turn what a model answered, and JSON does not know, into what it does: NumPy's values, and else text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


_encode = msgspec.json.Encoder(enc_hook=_plain).encode

JSON = "application/json"


def json_answer(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON; NaN becomes null."""
    return Response(_encode(content), status_code=status, headers=headers, media_type=JSON)


def refusal(error: RequestRefused, *, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with the sentence of an error."""
    more = dict(headers or {})
    if error.status in (429, 503):
        more["Retry-After"] = "1"
    if error.status in (408, 413):
        # The rest of the body is not read.
        more["Connection"] = "close"
    return json_answer({"error": {"type": error.kind, "message": str(error)}}, status=error.status, headers=more)


def predictions(loaded: LoadedVersion, answer: list[Any]) -> Response:
    """Answer as MLflow does, with who answered beside."""
    body = {"predictions": answer, "model": loaded.model, "version": loaded.version, "epoch": loaded.epoch}
    return json_answer(body, headers=_who(loaded))


def inference(loaded: LoadedVersion, answer: list[Any], *, request_id: str | None) -> Response:
    """Answer as the open inference protocol does: one output tensor, ``predictions``."""
    shape = _shape(answer)
    flat = _flat(answer)
    body = {
        "model_name": loaded.model,
        "model_version": loaded.version,
        "parameters": {"epoch": loaded.epoch},
        "outputs": [{"name": "predictions", "shape": shape, "datatype": _datatype(flat), "data": flat}],
    }
    if request_id is not None:
        body["id"] = request_id
    return json_answer(body, headers=_who(loaded))


def _who(loaded: LoadedVersion) -> dict[str, str]:
    return {"X-Model-Name": loaded.model, "X-Model-Version": loaded.version, "X-Model-Epoch": loaded.epoch_text}


def _shape(answer: Any) -> list[int]:
    shape = []
    while isinstance(answer, list):
        shape.append(len(answer))
        answer = answer[0] if answer else None
    return shape


def _flat(answer: list[Any]) -> list[Any]:
    while answer and isinstance(answer[0], list):
        answer = [each for part in answer for each in part]
    return answer


def _datatype(values: list[Any]) -> str:
    kinds = set(map(type, values))
    if kinds == {bool}:
        return "BOOL"
    if kinds == {int}:
        return "INT64"
    return "FP64" if kinds <= {int, float} else "BYTES"
