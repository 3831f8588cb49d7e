"""A YAML file that remembers where each of its values stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from airflow_mlops.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend in a file.

    Attributes
    ----------
    severity : {"error", "warning"}
        An error stops the spec from being used.
    key : str
        Dotted path of the key, as far as it exists.
    message : str
        What was found, what was expected, what to do.
    """

    severity: str
    path: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        """Write ``file:line:column: severity: key: message``, which editors and CI turn into a link."""
        key = f" {self.key}:" if self.key else ""
        return f"{self.path}:{self.line}:{self.column}: {self.severity}:{key} {self.message}"


class Unreadable(Permanent):
    """The file is missing or is not one YAML mapping."""

    def __init__(self, message: str, place: Place = Place(1, 1)) -> None:
        self.place = place
        super().__init__(message)


@dataclass(frozen=True)
class Document:
    """A parsed file.

    Attributes
    ----------
    path : Path
        As it was asked for.
    value : dict
        What the file says.
    root : yaml.Node
        The same with the place of every node.
    """

    path: Path
    value: dict[str, Any]
    root: yaml.Node

    @classmethod
    def read(cls, path: str | Path) -> Document:
        """Read a file that holds one mapping.

        Raises
        ------
        Unreadable
            The file is missing, is not UTF-8, is not YAML, is empty, or holds something other than one mapping.
        """
        path = Path(path)
        try:
            text = path.read_text("utf-8-sig")
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise Unreadable(f"is not UTF-8 (byte {error.start}); save it as UTF-8") from error
        return cls.parse(text, path)

    @classmethod
    def parse(cls, text: str, path: Path) -> Document:
        """Read a text as a file's.

        Raises
        ------
        Unreadable
            It is not YAML, is empty, or holds something other than one mapping.
        """
        try:
            loader = _Loader(text)
            root = loader.get_single_node()
            value = None if root is None else loader.construct_document(root)
        except yaml.YAMLError as error:
            raise Unreadable(*_yaml_problem(error)) from error
        if root is None or not isinstance(value, dict):
            found = "nothing" if value is None else f"a {type(value).__name__}"
            raise Unreadable(f"holds {found}, but a mapping of keys was expected, such as 'name: flights'")
        return cls(path, value, root)

    def place(self, location: Sequence[str | int]) -> Place:
        """Return where the deepest existing part of a key path stands."""
        node, mark = self.root, self.root.start_mark
        for step in location:
            found = _child(node, step)
            if found is None:
                break
            mark, node = found
        return Place(mark.line + 1, mark.column + 1)

    def key_place(self, location: Sequence[str | int]) -> Place:
        """Return where the last key of a path stands, not its value."""
        parent: yaml.Node | None = self.root
        for step in location[:-1]:
            found = _child(parent, step)
            parent = found[1] if found else None
        if isinstance(parent, yaml.MappingNode):
            for key, _ in parent.value:
                if key.value == location[-1]:
                    return Place(key.start_mark.line + 1, key.start_mark.column + 1)
        return self.place(location)

    def finding(self, severity: str, location: Sequence[str | int], message: str, *, at_key: bool = False) -> Finding:
        """Make a finding about a key path."""
        place = self.key_place(location) if at_key and location else self.place(location)
        return Finding(severity, str(self.path), place.line, place.column, dotted(location), message)

    def duplicates(self) -> Iterator[tuple[tuple[str | int, ...], Place, Place]]:
        """Yield each key given twice in one mapping: its path, the second place, and the first."""
        return _duplicates(self.root, (), set())


def dotted(location: Sequence[str | int]) -> str:
    """Write a key path: ``features.columns[2]``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return text.removeprefix(".")


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Mark, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark, node.value[step]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                # A block under its key starts on the next line: the key is where a person looks.
                is_block = isinstance(value, yaml.CollectionNode) and value.start_mark.line != key.start_mark.line
                return (key if is_block else value).start_mark, value
    return None


def _duplicates(
    node: yaml.Node, location: tuple[str | int, ...], seen: set[int]
) -> Iterator[tuple[tuple[str | int, ...], Place, Place]]:
    if id(node) in seen:  # an alias: reported where it is defined
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicates(item, (*location, index), seen)
    if isinstance(node, yaml.MappingNode):
        first: dict[str, Place] = {}
        for key, value in node.value:
            name, place = str(key.value), Place(key.start_mark.line + 1, key.start_mark.column + 1)
            if name in first:
                yield (*location, name), place, first[name]
            first.setdefault(name, place)
            yield from _duplicates(value, (*location, name), seen)


def _yaml_problem(error: yaml.YAMLError) -> tuple[str, Place]:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
    if "expected a single document" in str(error):
        return "holds more than one document ('---'); one file is one spec", place
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "not readable"
    return f"is not YAML: {what}; check indentation, quotes and brackets here", place
