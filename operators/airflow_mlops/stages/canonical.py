"""One form for a stored model, so that the same fitted model has the same bytes, and with them the same digest.

Skops names objects and arrays by their addresses in memory, and its archive keeps the time; both differ each time.
Cloudpickle draws a random name for each class whose code it takes along.
"""

from __future__ import annotations

import hashlib
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


def canonical_pickle(payload: bytes) -> bytes:
    """Give a cloudpickle file its one form: each class inside is named by what the file holds.

    Cloudpickle takes classes of one name for one class when it loads them, so the name must be another one where the
    content is. Lines of code carry the path of their file, so the form is the same only where the code lies in the same
    place.

    Parameters
    ----------
    payload : bytes
        From ``cloudpickle.dumps`` in this process.

    Returns
    -------
    bytes
        A file of the same object.
    """
    from cloudpickle import cloudpickle

    known = (name.encode() for name in cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS.values())
    drawn = sorted((name for name in known if name in payload), key=payload.index)
    content = payload
    for name in drawn:
        content = content.replace(name, bytes(len(name)))
    for place, name in enumerate(drawn):
        told = hashlib.sha256(content + bytes([place])).hexdigest()
        payload = payload.replace(name, told[: len(name)].encode())
    return payload
