"""What a fault is put into, and the list of faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

Expected = Literal["block", "warn", "pass", "wait"]
Rng = np.random.Generator


@dataclass(frozen=True)
class Setting:
    """Good rows that follow a reference, and the batch before them.

    Attributes
    ----------
    reference, before, batch : DataFrame
        In this order in time; `before` may lie in the reference.
    time, target : str
    key : tuple of str
    """

    reference: pd.DataFrame
    before: pd.DataFrame
    batch: pd.DataFrame
    time: str = "ts"
    target: str = "y"
    key: tuple[str, ...] = ()

    @cached_property
    def features(self) -> list[str]:
        return [name for name in self.batch if name not in (self.time, self.target, *self.key)]

    @cached_property
    def numbers(self) -> list[str]:
        """Columns of at least three numbers, in the batch too."""
        return [name for name in self.features if is_number(self.batch[name]) and self.varies(name)]

    @cached_property
    def measured(self) -> list[str]:
        """Numbers with many values, most of them known and few of them zero."""
        return [name for name in self.numbers if self._is_measured(name)]

    @cached_property
    def whole(self) -> list[str]:
        """Numbers without decimals or values below zero."""
        return [name for name in self.numbers if is_whole(self.reference[name])]

    @cached_property
    def texts(self) -> list[str]:
        return [name for name in self.features if self.batch[name].dtype == object and self.batch[name].notna().any()]

    @cached_property
    def is_binary(self) -> bool:
        return self.reference[self.target].nunique() == 2

    def varies(self, name: str) -> bool:
        return all(frame[name].nunique() > 2 for frame in (self.reference, self.batch))

    def _is_measured(self, name: str) -> bool:
        is_wide = self.reference[name].nunique() > 20
        return is_wide and all(
            frame[name].notna().mean() > 0.6 and (frame[name].fillna(1) != 0).mean() > 0.5
            for frame in (self.reference, self.batch)
        )


Change = Callable[[Setting, Rng], pd.DataFrame | None]
ColumnChange = Callable[[Setting, str, Rng], pd.Series | None]


@dataclass(frozen=True)
class Case:
    """A fault, put into one column or into the rows.

    Attributes
    ----------
    name, group : str
    column : str or None
    expected : {"block", "warn", "pass", "wait"}
        What a validation gate must say; *wait* must not be blocked.
    make : callable
        Gives the faulty rows; None where these good rows cannot show the fault.
    """

    name: str
    group: str
    column: str | None
    expected: Expected
    make: Callable[[], pd.DataFrame | None] = field(repr=False)


@dataclass(frozen=True)
class Fault:
    name: str
    group: str
    expected: Expected
    change: Callable
    columns: Callable[[Setting], Sequence[str]] | None = None

    def cases(self, setting: Setting, seed: int) -> Iterator[Case]:
        for number, column in enumerate(self.columns(setting) if self.columns else [None]):
            yield Case(self.name, self.group, column, self.expected, self._make(setting, column, (seed, number)))

    def _make(self, setting: Setting, column: str | None, seed: tuple[int, int]) -> Callable:
        def make() -> pd.DataFrame | None:
            rng = np.random.default_rng(seed)
            if column is None:
                return self.change(setting, rng)
            changed = self.change(setting, column, rng)
            if changed is None or changed.equals(setting.batch[column]):
                return None
            return setting.batch.assign(**{column: changed})

        return make


FAULTS: list[Fault] = []


def rows(name: str, group: str, expected: Expected) -> Callable[[Change], Change]:
    """Register a fault of the rows."""

    def register(change: Change) -> Change:
        FAULTS.append(Fault(name, group, expected, change))
        return change

    return register


def column(
    name: str, group: str, expected: Expected, on: Callable[[Setting], Sequence[str]]
) -> Callable[[ColumnChange], ColumnChange]:
    """Register a fault of one column."""

    def register(change: ColumnChange) -> ColumnChange:
        FAULTS.append(Fault(name, group, expected, change, on))
        return change

    return register


def is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def is_whole(values: pd.Series) -> bool:
    known = values.dropna()
    return bool(len(known) and (known >= 0).all() and (known == known.round()).all())


def some(values: pd.Series | pd.DataFrame, rng: Rng, share: float) -> np.ndarray:
    """Choose a share of rows, at least five."""
    chosen = np.zeros(len(values), dtype=bool)
    chosen[rng.permutation(len(values))[: max(5, round(share * len(values)))]] = True
    return chosen


def plain(table: pa.Table) -> pd.DataFrame:
    """Turn into a frame without categories."""
    frame = table.to_pandas()
    for name in frame.select_dtypes("category"):
        frame[name] = frame[name].astype(object)
    return frame


def as_table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)
