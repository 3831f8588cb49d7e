"""Bodies of requests and answers, as the server's /openapi.json describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.serving.tensors import DATATYPES

if TYPE_CHECKING:
    from airflow_mlops.serving.loaded import LoadedVersion

_VALUE = {"description": "A cell of a row.", "type": ["string", "number", "boolean", "null"]}
_RECORD = {"type": "object", "additionalProperties": _VALUE, "minProperties": 1}
_LIST = {"type": "array", "items": _VALUE}
_RECORDS = {"type": "array", "items": _RECORD, "minItems": 1}

_INVOCATION = {
    "type": "object",
    "description": "One of MLflow's forms. Columns beyond the model's are ignored, but for those that name the row.",
    "properties": {
        "dataframe_split": {
            "type": "object",
            "required": ["columns", "data"],
            "properties": {
                "columns": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
                "data": {"type": "array", "items": _LIST, "minItems": 1},
            },
        },
        "dataframe_records": _RECORDS,
        "instances": {"anyOf": [_RECORDS, {"type": "array", "items": _LIST, "minItems": 1}]},
        "inputs": {"anyOf": [{"type": "object", "additionalProperties": _LIST}, _RECORDS]},
    },
    "oneOf": [{"required": [form]} for form in ("dataframe_split", "dataframe_records", "instances", "inputs")],
}
_PREDICTIONS = {
    "type": "object",
    "required": ["predictions", "model", "version", "epoch"],
    "properties": {
        "predictions": {
            "type": "array",
            "description": "One for each row: class probabilities where the model has them, else a label or a number.",
            "items": {},
        },
        "model": {"type": "string"},
        "version": {"type": "string"},
        "epoch": {"type": ["integer", "null"], "description": "Null for a version that is not promoted yet."},
    },
}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 2},
        "datatype": {"enum": list(DATATYPES)},
        "data": {"type": "array"},
    },
}
_INFERENCE = {
    "type": "object",
    "description": "One tensor a column, of shape [rows] or [rows, 1].",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string", "maxLength": 200},
        "inputs": {"type": "array", "items": _TENSOR, "minItems": 1},
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"enum": ["predictions"]}},
            },
        },
    },
}
_INFERRED = {
    "type": "object",
    "required": ["model_name", "model_version", "parameters", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "parameters": {"type": "object", "properties": {"epoch": {"type": ["integer", "null"]}}},
        "outputs": {"type": "array", "items": _TENSOR},
    },
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}

# What each status means, the same on every route.
_MEANINGS = {
    400: "The request is not one the model can take; the sentence says where and why.",
    401: "The token is missing or wrong.",
    404: "No such model or version here.",
    408: "The body came too slowly.",
    413: "The body or its rows are beyond the limits.",
    415: "The body is not JSON by its head.",
    422: "The model itself refused the rows.",
    429: "Too much waits already; try again after Retry-After.",
    500: "The server failed; its log says why.",
    503: "There is no champion yet, or a model hangs.",
    504: "The body was not parsed, or the model did not come to it, in time.",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "content": {"application/json": {"schema": _ERROR}}}
    for status, meaning in _MEANINGS.items()
}


def _in(place: str, name: str, what: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "description": what, "schema": {"type": "string"}}


_MODEL, _VERSION = _in("path", "model", "Name of a served model."), _in("path", "version", "A loaded version.")
_ASKED = [
    _in("query", "model", "Needed where several models are served."),
    _in("query", "version", "A loaded version; default: the champion."),
]
OF_MODEL: dict[str, Any] = {"parameters": [_MODEL]}
OF_VERSION: dict[str, Any] = {"parameters": [_MODEL, _VERSION]}


def _predicts(parameters: list[dict[str, Any]], asked: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    who = {
        name: {"schema": {"type": "string"}} for name in ("X-Model-Name", "X-Model-Version", "X-Model-Epoch")
    }  # fmt: skip
    return {
        "parameters": parameters,
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
        "responses": {
            "200": {
                "description": "Predictions, and who made them.",
                "headers": who,
                "content": {"application/json": {"schema": answer}},
            }
        },
    }


INVOCATION_OF_ANY = _predicts(_ASKED, _INVOCATION, _PREDICTIONS)
INVOCATION_OF_MODEL = _predicts([_MODEL, _ASKED[1]], _INVOCATION, _PREDICTIONS)
INVOCATION_OF_VERSION = _predicts([_MODEL, _VERSION], _INVOCATION, _PREDICTIONS)
INFERENCE_OF_MODEL = _predicts([_MODEL], _INFERENCE, _INFERRED)
INFERENCE_OF_VERSION = _predicts([_MODEL, _VERSION], _INFERENCE, _INFERRED)

# Kinds of a signature as datatypes of the protocol.
_DATATYPES = {"number": "FP64", "whole": "INT64", "boolean": "BOOL"}


def describe(loaded: LoadedVersion, versions: list[str]) -> dict[str, Any]:
    """Describe a model as the open inference protocol does."""
    inputs = [
        {"name": column.name, "datatype": _DATATYPES.get(column.kind, "BYTES"), "shape": [-1]}
        for column in loaded.signature.columns
    ]
    return {
        "name": loaded.model,
        "versions": sorted(versions),
        "platform": "sklearn",
        "inputs": inputs,
        "outputs": [{"name": "predictions", "datatype": "FP64", "shape": [-1]}],
        "parameters": {"version": loaded.version, "epoch": loaded.epoch},
    }
