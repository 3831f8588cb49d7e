"""Behaviour cases beside a spec: what a model must do with certain rows, whatever its loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, model_validator

from airflow_mlops.errors import SpecError
from airflow_mlops.spec.document import Document, Finding, Unreadable
from airflow_mlops.spec.rules import close_match
from airflow_mlops.spec.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_mlops.spec.rules import Broken

Value = str | int | float | bool | None


class Invariance(Section):
    """Columns whose value must not matter."""

    name: str = Field(description="What is claimed.")
    change: dict[str, list[Value]] = Field(min_length=1, description="Columns, and the values that are put in.")
    tolerance: float = Field(0.01, ge=0, description="Most that an answer may move.")
    share: float = Field(0.99, gt=0, le=1, description="Share of rows that must keep to it.")


class Direction(Section):
    """A column that may move an answer one way only."""

    name: str = Field(description="What is claimed.")
    column: str = Field(description="A column of numbers.")
    by: float = Field(description="What is added to it; not zero.")
    answer: str = Field("up", pattern="^(up|down)$", description="up: the answer must not fall; down: not rise.")
    of: Value = Field(None, description="Class whose probability is looked at; default: the second of two.")
    tolerance: float = Field(1e-9, ge=0, description="A move the other way that is not counted.")
    share: float = Field(0.95, gt=0, le=1, description="Share of rows that must keep to it.")

    @model_validator(mode="after")
    def _moves(self) -> Direction:
        if self.by == 0:
            raise ValueError("'by' is 0, which moves nothing; give what is added to the column")
        return self


class Known(Section):
    """One row whose answer is known."""

    name: str = Field(description="What is claimed.")
    row: dict[str, Value] = Field(min_length=1, description="Raw columns; those left out are null.")
    answer: Value = Field(None, description="The class.")
    at_least: float | None = Field(
        None, description="Lower end of the answer: a number, or a probability of the class."
    )
    at_most: float | None = Field(None, description="Upper end.")

    @model_validator(mode="after")
    def _says_something(self) -> Known:
        if self.answer is None and self.at_least is None and self.at_most is None:
            raise ValueError("neither 'answer' nor 'at_least' or 'at_most' is given, so there is nothing to check")
        return self


class Behaviour(Section):
    """The cases of a model."""

    invariance: list[Invariance] = Field(default_factory=list, description="Columns that must not matter.")
    direction: list[Direction] = Field(default_factory=list, description="Columns that may move answers one way.")
    known: list[Known] = Field(default_factory=list, description="Rows whose answer is known.")

    def columns(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield each raw column that a case names, and where."""
        for index, invariance in enumerate(self.invariance):
            yield from ((("invariance", index, "change", name), name) for name in invariance.change)
        for index, direction in enumerate(self.direction):
            yield ("direction", index, "column"), direction.column
        for index, known in enumerate(self.known):
            yield from ((("known", index, "row", name), name) for name in known.row)


def load_behaviour(path: str | Path, columns: Sequence[str]) -> Behaviour:
    """Load the cases of a file.

    Parameters
    ----------
    path : str or Path
        The YAML file.
    columns : sequence of str
        Raw columns of the model; a case may name no other.

    Raises
    ------
    SpecError
        The file is missing, is not YAML, or has faults; all of them are listed, one a line.
    """
    behaviour, faults = _examine(Path(path), columns)
    if behaviour is None or faults:
        raise SpecError("\n".join(map(str, faults)), faults=faults)
    return behaviour


def lint_behaviour(path: Path, columns: Sequence[str]) -> list[Finding]:
    """Check a file of behaviour cases."""
    return _examine(path, columns)[1]


def _examine(path: Path, columns: Sequence[str]) -> tuple[Behaviour | None, list[Finding]]:
    try:
        document = Document.read(path)
    except Unreadable as error:
        return None, [Finding("error", str(path), error.place.line, error.place.column, "", str(error))]
    try:
        behaviour = Behaviour.model_validate(document.value)
    except ValidationError as error:
        return None, [document.finding("error", *_fault(each)) for each in error.errors()]
    return behaviour, [document.finding("error", *broken) for broken in _strangers(behaviour, columns)]


def _fault(error: Any) -> Broken:
    return tuple(error["loc"]), str(error["msg"]).removeprefix("Value error, ")


def _strangers(behaviour: Behaviour, columns: Sequence[str]) -> Iterator[Broken]:
    for at, name in behaviour.columns():
        if name not in columns:
            yield at, f"found {name!r}, expected one of features.columns{close_match(name, columns)}"
