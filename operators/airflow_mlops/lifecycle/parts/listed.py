"""A snapshot that is a list of parts: its manifest, and nothing copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops import __version__
from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import SourceUnreadable
from airflow_mlops.lifecycle.parts.shelf import ID_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import pyarrow as pa

    from airflow_mlops.lifecycle.parts.shelf import Shelf
    from airflow_mlops.lifecycle.parts.spans import Span


def list_parts(
    shelf: Shelf,
    filled: Mapping[Span, dict[str, Any]],
    watermark: datetime | None,
    version: str | None,
    section: str,
) -> dict[str, Any]:
    """Store the snapshot of some parts; one that is there already is left as it is.

    Parameters
    ----------
    shelf : Shelf
        Where the parts are.
    filled : mapping of Span to dict
        Manifest of each part, in order of time.
    watermark : datetime or None
        End of the newest whole part.
    version : str or None
        Of the source.
    section : str
        Digest of the sections of the spec that the snapshot depends on.

    Raises
    ------
    SourceUnreadable
        A column is of types in two parts that do not go together.
    """
    parts = list(filled.values())
    digest = digest_json([part["digest"] for part in parts])
    name = digest_json({"content": digest, "section": section})[:ID_LENGTH]
    folder = f"{shelf.place}/{name}"
    manifest = shelf.store.manifest(folder)
    if manifest is None:
        manifest = {
            "id": name,
            "digest": digest,
            "rows": sum(part["rows"] for part in parts),
            "schema": _schema(shelf, parts),
            "start": min(part["first"] for part in parts),
            "end": max(part["last"] for part in parts),
            "parts": [shelf.listed(part) for part in parts],
            "watermark": watermark.isoformat() if watermark else None,
            "source_version": version,
            "section": section,
            "created_by": f"airflow-provider-mlops {__version__}",
        }
        shelf.store.complete(folder, manifest)
    return manifest


def _schema(shelf: Shelf, parts: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Bring the schemas of all parts together; most often they are one."""
    import pyarrow as pa

    kinds = {tuple((column["name"], column["type"]) for column in part["schema"]): part for part in parts}
    if len(kinds) == 1:
        return list(parts[0]["schema"])
    schemas = [_stored_schema(shelf, part) for part in kinds.values()]
    try:
        whole = pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        raise SourceUnreadable(_contradiction(kinds.values())) from error
    return [{"name": field.name, "type": str(field.type)} for field in whole]


def _stored_schema(shelf: Shelf, part: dict[str, Any]) -> pa.Schema:
    import pyarrow.parquet as pq

    with shelf.store.fs.open(shelf.store.path(shelf.uri(part["id"])), "rb") as file:
        return pq.read_schema(file)


def _contradiction(parts: Iterable[dict[str, Any]]) -> str:
    """Name the first column with two types, and when it had each."""
    seen: dict[str, tuple[str, str]] = {}
    for part in parts:
        for column in part["schema"]:
            kind, when = seen.setdefault(column["name"], (column["type"], part["start"]))
            if column["type"] not in (kind, "null") and kind != "null":
                return (
                    f"column {column['name']!r} is {kind} in the part from {when} and {column['type']} in the part "
                    f"from {part['start']}; give it one type in the source, or begin the window after the change."
                )
    return "the columns of two parts do not go together; give each column one type in the source."
