"""Rows of one file of JSON lines, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import SourceUnreadable, TypesChanged
from airflow_mlops.hooks.source.text_blocks import BLOCK_BYTES, blocks

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import pyarrow as pa

    from airflow_mlops.hooks.source.text_blocks import Block, TextFile


class JsonFile:
    """A file of JSON objects, one a line.

    Parameters
    ----------
    file : TextFile
        The bytes.
    options : mapping
        ``data.source.options`` of the spec; ``encoding`` is used.
    """

    def __init__(self, file: TextFile, options: Mapping[str, Any]) -> None:
        self.name = file.name
        self.folders = file.folders
        self._file = file
        self._options = options

    def blocks(self, size: int = BLOCK_BYTES) -> Generator[Block]:
        """Give whole lines, a few megabytes at a time.

        Raises
        ------
        SourceUnreadable
            See `text_blocks.blocks`; or the file is one array.
        """
        encoding = self._options.get("encoding", "utf-8")
        for block in blocks(self._file, kind="JSON lines", encoding=encoding, size=size):
            if block.line == 1 and block.text.lstrip().startswith(b"["):
                raise SourceUnreadable(
                    f"{self.name} is one JSON array; one object a line was expected. Write it as JSON lines."
                )
            yield block

    def parse(self, block: Block, types: Mapping[str, pa.DataType] | None = None) -> pa.Table:
        """Read the objects of a block.

        Parameters
        ----------
        block : Block
            Of this file.
        types : mapping of str to DataType, optional
            All columns with their types; default: found from the values of the block.

        Raises
        ------
        SourceUnreadable
            A line is no JSON object, or is cut, or a column has numbers and text.
        TypesChanged
            There are other columns than those given, or a value is not of the type given for its column.
        """
        import pyarrow as pa

        if not block.text.strip():
            return pa.schema(list((types or {}).items())).empty_table()
        try:
            return _read(block.text, types)
        except pa.ArrowInvalid as error:
            fault = SourceUnreadable(
                f"{self.name} is not JSON lines: {error} (from line {block.line} on). Export it again."
            )
            if types is None:
                raise fault from error
            try:
                _read(block.text, None)
            except pa.ArrowInvalid:
                raise fault from error
            raise TypesChanged(self.name, str(error)) from error


def _read(text: bytes, types: Mapping[str, pa.DataType] | None) -> pa.Table:
    import pyarrow as pa
    from pyarrow import json

    # A line longer than a block cannot be read; text of one block has no such line.
    whole = json.ReadOptions(block_size=len(text) + 1, use_threads=False)
    known = None
    if types is not None:
        known = json.ParseOptions(explicit_schema=pa.schema(list(types.items())), unexpected_field_behavior="error")
    return json.read_json(pa.BufferReader(text), read_options=whole, parse_options=known)
