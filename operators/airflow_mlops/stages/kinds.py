"""What a column holds, whatever its width."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def kind_of(type_: pa.DataType) -> str:
    """Return what a column holds, whatever its width: number, boolean, text, time, nothing or other."""
    import pyarrow as pa

    if pa.types.is_dictionary(type_):
        return kind_of(type_.value_type)
    if pa.types.is_boolean(type_):
        return "boolean"
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return "number"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return "text"
    if pa.types.is_temporal(type_):
        return "time"
    return "nothing" if pa.types.is_null(type_) else "other"
