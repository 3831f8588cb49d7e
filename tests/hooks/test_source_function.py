"""Functions that give their rows batch by batch."""

from __future__ import annotations

import sys
from types import ModuleType

import pyarrow as pa
import pytest

from airflow_mlops.errors import SourceUnreadable
from airflow_mlops.hooks.source import SourceHook
from airflow_mlops.spec.data_sections import CallableSource
from tests.conftest import utc

START, END = utc("2013-01-01"), utc("2013-02-01")
PIECES = [pa.table({"t": ["2013-01-02"], "x": [number]}) for number in range(3)]


@pytest.fixture
def stream(monkeypatch):
    """Read what a function gives."""

    def _stream(function):
        made = ModuleType("streaming_source")
        made.read = function
        monkeypatch.setitem(sys.modules, "streaming_source", made)
        hook = SourceHook(CallableSource(kind="callable", path="streaming_source.read"))
        return hook.stream(START, END, "t")

    return _stream


@pytest.mark.parametrize(
    "answer",
    [
        lambda: pa.concat_tables(PIECES).to_reader(),
        lambda: iter(PIECES),
        lambda: (batch for piece in PIECES for batch in piece.to_batches()),
        lambda: (piece.to_pandas() for piece in PIECES),
    ],
    ids=["a reader", "tables", "batches", "frames"],
)
def test_a_function_may_give_its_rows_piece_by_piece(answer, stream):
    assert stream(lambda start, end: answer()).read_all().column("x").to_pylist() == [0, 1, 2]


def test_pieces_are_taken_one_at_a_time(stream):
    taken = []

    def read(start, end):
        for piece in PIECES:
            taken.append(piece)
            yield piece

    rows = stream(read)
    rows.read_next_batch()

    assert len(taken) == 1


def test_a_piece_of_nulls_has_the_type_of_the_first(stream):
    rows = stream(lambda start, end: iter([PIECES[0], pa.table({"t": ["2013-01-03"], "x": [None]})]))

    assert rows.read_all().column("x").to_pylist() == [0, None]


@pytest.mark.parametrize(
    ("pieces", "sentence"),
    [
        ([], "returned no batch"),
        ([PIECES[0], pa.table({"t": ["2013-01-03"], "x": ["late"]})], "other columns or types in batch 2 than in the"),
        ([PIECES[0], pa.table({"t": ["2013-01-03"]})], "other columns or types in batch 2 than in the first"),
        ([PIECES[0], 7], "returned a int; an Arrow table or a pandas DataFrame was expected"),
    ],
    ids=["no piece", "another type", "another column", "no table"],
)
def test_pieces_that_differ_are_refused(pieces, sentence, stream):
    with pytest.raises(SourceUnreadable, match=rf"the function streaming_source\.read .*{sentence}"):
        stream(lambda start, end: iter(pieces)).read_all()
