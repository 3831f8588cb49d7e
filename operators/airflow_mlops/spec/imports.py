"""Import paths of a spec become objects, or a sentence that says which part of the path does not exist."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import Permanent
from airflow_mlops.spec.rules import close_match

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

# What a user's module is seen to raise while it is imported; anything else is a bug worth its traceback.
_BROKEN = (
    ImportError,
    SyntaxError,
    NameError,
    AttributeError,
    TypeError,
    ValueError,
    LookupError,
    OSError,
    RuntimeError,
)


class NotImportable(Permanent):
    """An import path leads nowhere."""


def import_object(path: str, *, roots: Sequence[Path] = ()) -> Any:
    """Import what a dotted path names.

    Parameters
    ----------
    path : str
        ``package.module.name``; a class attribute may follow.
    roots : sequence of Path
        Folders to look in besides those Python looks in, such as the DAGs folder.

    Raises
    ------
    NotImportable
        The path has no dot, a module is missing or breaks while it is imported, or it has no such name.
    """
    parts = path.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise NotImportable(f"{path!r} is not an import path; write package.module.name")
    with _looking_in(roots):
        found: Any = _import(parts[0], parent=None)
        for index, part in enumerate(parts[1:], start=1):
            dotted = ".".join(parts[:index])
            if hasattr(found, part):
                found = getattr(found, part)
            elif hasattr(found, "__path__"):
                found = _import(f"{dotted}.{part}", parent=found)
            else:
                raise NotImportable(f"{path!r}: {dotted} has no {part!r}{close_match(part, dir(found))}")
    return found


def _import(name: str, *, parent: ModuleType | None) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise NotImportable(f"{name!r} cannot be imported, because {error.name!r} is not installed") from error
        where = parent.__path__ if parent else None
        siblings = [module.name for module in pkgutil.iter_modules(where)] + (dir(parent) if parent else [])
        word = name.rpartition(".")[2]
        home = f"{parent.__name__} has no" if parent else "there is no module"
        raise NotImportable(f"{home} {word!r}{close_match(word, siblings)}") from error
    except _BROKEN as error:
        raise NotImportable(f"{name!r} breaks while it is imported ({type(error).__name__}: {error})") from error


@contextmanager
def _looking_in(roots: Sequence[Path]) -> Iterator[None]:
    before = list(sys.path)
    sys.path += [str(root) for root in roots]
    try:
        yield
    finally:
        sys.path[:] = before
