"""The reference of all keys, written from the models so that it cannot fall behind them."""

from __future__ import annotations

from datetime import timedelta
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from airflow_mlops.spec.durations import format_duration
from airflow_mlops.spec.rule_sections import Rule
from airflow_mlops.spec.sections import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_WORDS = {str: "text", int: "whole number", float: "number", bool: "yes or no", timedelta: "duration"}


def reference_text() -> str:
    """Write a table of keys for each section, in the order of the spec."""
    return "\n".join([*_tables(ModelSpec, "", depth=2, written=set()), *_forms()]).strip() + "\n"


def _tables(model: type[BaseModel], path: str, *, depth: int, written: set[type[BaseModel]]) -> Iterator[str]:
    heading = f"`{path}`" if path else "The top level"
    yield f"{'#' * min(depth, 4)} {heading}\n"
    yield f"{_summary(model)}\n"
    yield "| key | value | default | meaning |"
    yield "| --- | --- | --- | --- |"
    fields = [(field.alias or name, field) for name, field in model.model_fields.items()]
    fields.sort(key=lambda named: named[0] != "kind")  # what tells the table comes first
    yield from (_row(name, field) for name, field in fields)
    yield ""
    for name, field in fields:
        for nested in _models(field.annotation):
            if nested not in written:  # the stages of `resources` share a table, and so do both sources
                written.add(nested)
                yield from _tables(nested, _path(path, name, nested, fields), depth=depth + 1, written=written)


def _forms() -> Iterator[str]:
    """Write the forms of a rule, which may stand inside one another, as one table."""
    yield "## A rule\n"
    yield "One of these forms; [rules](rules.md) has examples.\n"
    yield "| form | meaning | keys |"
    yield "| --- | --- | --- |"
    for form in _models(Rule.__value__):
        fields = {field.alias or name: field for name, field in form.model_fields.items()}
        told = " ".join(f"`{name}`: {field.description}" for name, field in fields.items() if field.description)
        yield f"| `{{{', '.join(fields)}}}` | {_summary(form)} | {told} |"


def _path(path: str, name: str, nested: type[BaseModel], fields: list[tuple[str, FieldInfo]]) -> str:
    """Name a section; of one table for many stages no name is given, of one for two policies the first."""
    stands_for_all = sum(nested in _models(field.annotation) for _, field in fields) > 2
    full = f"{path.partition(' (')[0]}.{'<stage>' if stands_for_all else name}".removeprefix(".")
    kind = nested.model_fields.get("kind")
    return f"{full} (kind: {get_args(kind.annotation)[0]})" if kind else full


def _row(name: str, field: FieldInfo) -> str:
    models = _models(field.annotation)
    described = field.description or (_summary(models[0]) if models else "Which kind this is.")
    return f"| `{name}` | {_type(field.annotation, field)} | {_default(field)} | {described} |"


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections that an annotation may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Annotated, Union, UnionType, dict):
        return [model for part in get_args(annotation) for model in _models(part)]
    return []


def _type(annotation: Any, field: FieldInfo | None = None) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation is Rule:
        return "[rule](#a-rule)"
    if origin is Annotated:
        return _type(parts[0])
    if origin is Literal:
        return " or ".join(f"`{word}`" for word in parts)
    if origin is list or (origin is tuple and parts[-1] is Ellipsis):
        return f"list of {_type(parts[0])}"
    if origin is tuple:
        return f"list of {len(parts)}: {', '.join(_type(part) for part in parts)}"
    if origin is dict:
        return f"mapping of {_type(parts[0])} to {'anything' if parts[1] is Any else _type(parts[1])}"
    if origin in (Union, UnionType):
        kinds = [part for part in parts if part is not NoneType]
        return " or ".join(dict.fromkeys(_type(kind, field if len(kinds) == 1 else None) for kind in kinds))
    if _models(annotation):
        return "section"
    limits = ", ".join(str(limit) for limit in map(_limit, field.metadata if field else []) if limit)
    return _WORDS.get(annotation, "time") + (f" {limits}" if limits else "")


def _limit(constraint: Any) -> str:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    return " and ".join(
        f"{sign} {getattr(constraint, name)}" for name, sign in signs.items() if hasattr(constraint, name)
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is None or default is PydanticUndefined or isinstance(default, BaseModel):
        return ""
    if isinstance(default, tuple):
        return f"`[{', '.join(map(str, default))}]`"
    if isinstance(default, timedelta):
        return f"`{format_duration(default)}`"
    return f"`{default}`" if default not in ([], {}, "") else "none"
