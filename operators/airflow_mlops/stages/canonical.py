"""One form for a skops file, so that the same fitted model has the same bytes, and with them the same digest.

Skops names objects and arrays by their addresses in memory, and its archive keeps the time; both differ each time.
"""

from __future__ import annotations

import io
import json
from typing import Any
from zipfile import ZipFile, ZipInfo

_SCHEMA = "schema.json"


def canonical(payload: bytes) -> bytes:
    """Give a skops file its one form: objects and arrays numbered as they occur, and no times.

    Parameters
    ----------
    payload : bytes
        From ``skops.io.dumps``.

    Returns
    -------
    bytes
        A skops file of the same model.
    """
    with ZipFile(io.BytesIO(payload)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        arrays = {name: archive.read(name) for name in archive.namelist() if name != _SCHEMA}
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}
    schema = _renamed(schema, arrays, numbers, names)
    form = io.BytesIO()
    with ZipFile(form, "w") as archive:
        # An entry without a time of its own has that of 1980.
        archive.writestr(ZipInfo(_SCHEMA), json.dumps(schema))
        for old, new in names.items():
            archive.writestr(ZipInfo(new), arrays[old])
    return form.getvalue()


def _renamed(node: Any, arrays: dict[str, bytes], numbers: dict[int, int], names: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_renamed(item, arrays, numbers, names) for item in node]
    if not isinstance(node, dict):
        return node
    renamed: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__" and isinstance(value, int):
            renamed[key] = numbers.setdefault(value, len(numbers))
        elif key == "file" and isinstance(value, str) and value in arrays:
            renamed[key] = names.setdefault(value, f"{len(names)}.{value.rpartition('.')[2]}")
        else:
            renamed[key] = _renamed(value, arrays, numbers, names)
    return renamed
