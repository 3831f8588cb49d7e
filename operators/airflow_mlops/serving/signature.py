"""What a model takes: names and kinds of its raw columns, read from the golden rows that were stored with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import RequestRefused
from airflow_mlops.serving.columns import Column, column_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import pyarrow as pa


@dataclass(slots=True)
class Rows:
    """Checked rows of one request, column by column in the order of the signature.

    ``widened`` are the places of whole or boolean columns in which something is missing: such rows get other array
    types, and are not predicted together with rows that do not. ``extra`` holds columns beyond the signature that name
    a row.
    """

    count: int
    columns: list[list[Any]]
    widened: tuple[int, ...] = ()
    extra: dict[str, list[Any]] = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """The columns of a model, in its order."""

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, schema: pa.Schema) -> Signature:
        """Read it from the Arrow schema of golden rows."""
        return cls(tuple(column_of(each.name, each.type) for each in schema))

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    def take(self, table: Mapping[str, Sequence[Any]], count: int) -> Rows:
        """Check the columns of a request.

        Parameters
        ----------
        table : mapping
            Values of each column that came; further ones do no harm.
        count : int
            Rows that came.

        Raises
        ------
        RequestRefused
            A column is missing, or holds a value that the model cannot take.
        """
        columns, widened = [], []
        for place, column in enumerate(self.columns):
            values = table.get(column.name)
            if values is None:
                raise missing(self, table)
            checked, has_gaps = column.check(values)
            columns.append(checked)
            if has_gaps and column.kind in ("whole", "boolean"):
                widened.append(place)
        return Rows(count, columns, tuple(widened))

    def frame(self, parts: Sequence[Rows]) -> pd.DataFrame:
        """Put the rows of one or more requests, all widened alike, into one frame with the types of training."""
        import pandas as pd

        arrays = {}
        for place, column in enumerate(self.columns):
            values = parts[0].columns[place]
            if len(parts) > 1:
                values = [value for part in parts for value in part.columns[place]]
            arrays[column.name] = column.make(values)
        return pd.DataFrame(arrays, copy=False)


def missing(signature: Signature, present: Any) -> RequestRefused:
    """Say which columns a request lacks."""
    lacking = [name for name in signature.names if name not in present]
    shown = ", ".join(map(repr, lacking[:10])) + (f" and {len(lacking) - 10} more" if len(lacking) > 10 else "")
    return RequestRefused(
        f"the request lacks column{'s' if len(lacking) > 1 else ''} {shown}; the model takes "
        f"{', '.join(signature.names)}. Send null where a value is not known.",
        kind="missing_column",
    )
