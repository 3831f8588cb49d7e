"""The page of a profile shows what the profile knows, and nothing that is sensitive or not escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from airflow_mlops.stages.profile import profile_table
from airflow_mlops.stages.profile.diff import diff_profiles
from airflow_mlops.stages.profile.drawing import picture
from airflow_mlops.stages.profile.page import render_diff, render_profile


class Tags(HTMLParser):
    """Count open tags, and refuse one that is closed out of turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.seen, self.links = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page_of(table, **settings):
    return render_profile(profile_table(table, **settings), title="flights", facts={"snapshot": "a1"})


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(january):
    tags = Tags(page_of(january))

    assert tags.open == []
    assert tags.links == []
    assert "script" not in tags.seen
    assert tags.seen.count("section") == january.num_columns


def test_a_sensitive_column_shows_its_type_and_nulls_alone():
    table = pa.table({"name": ["Ada", "Grace", None, "Edsger"], "age": [36, 85, 41, 72]})

    page = page_of(table, sensitive=["name", "age"])

    assert "sensitive, its values are not shown" in page
    assert "25.0 %" in page
    assert not re.search(r"Ada|Grace|\b36\b|\b85\b|\b41\b", page)


def test_what_stands_in_the_rows_is_escaped():
    bad = "<script>alert(1)</script>"
    table = pa.table({bad: [bad, bad, "&"], 'a" onload="x': [1, 2, 3]})

    page = page_of(table)
    diff = render_diff(
        diff_profiles(profile_table(table), profile_table(table)), title=bad, before={bad: bad}, after={"a": bad}
    )

    for text in (page, diff):
        assert "script" not in Tags(text).seen
        assert 'aria-label="distribution of a" onload' not in text


@pytest.mark.parametrize(
    "values",
    [
        pa.array([], pa.float64()),
        pa.array([None, None], pa.float64()),
        pa.array([7, 7, 7]),
        pa.array([float("nan"), float("inf"), 1.0]),
        pa.array([-1e300, 0.0, 1e300]),
        pa.array([1.5, None] * 3),
        pa.array(["", "x"]),
        pa.array([True, False, None]),
        pa.array([0, 2**62], pa.timestamp("us")),
        pa.array([None, None]),
        pa.array([[1], [2]]),
    ],
    ids=[
        *("no rows", "no values", "one value", "not finite", "huge", "half null", "empty text", "booleans"),
        *("far times", "no type", "lists"),
    ],
)
def test_any_column_can_be_drawn(values):
    page = page_of(pa.table({"column": values}))
    both = profile_table(pa.table({"column": values})), profile_table(pa.table({"column": values}))
    diff = render_diff(diff_profiles(*both), title="x", before={}, after={})

    for text in (page, diff):
        assert Tags(text).open == []
        assert not re.search(r'="(nan|inf|-inf|-\d)', text)


def test_bars_are_as_long_as_the_counts_say():
    table = pa.table({"fruit": ["apple"] * 6 + ["pear"] * 3 + ["plum"]})

    drawn = picture([profile_table(table).columns["fruit"]])

    widths = [float(width) for width in re.findall(r'class="side0" x="136" y="[\d.]+" width="([\d.]+)"', drawn)]
    assert [width / widths[0] for width in widths] == pytest.approx([1, 0.5, 1 / 6], abs=0.01)
    assert "60.0 %" in drawn


def test_a_long_tail_is_cut_off_and_said_to_be():
    table = pa.table({"delay": [*range(1000), 1_000_000]})

    assert "1.0 % lie outside the picture, between 0 and 1,000,000" in page_of(table)


def test_a_diff_says_what_came_went_and_changed():
    before = profile_table(pa.table({"x": [1, 2, 3] * 40, "old": ["a"] * 120, "kind": ["a", "b", "c"] * 40}))
    after = profile_table(pa.table({"x": [1.0, 2.0, 9.5] * 40, "kind": ["a", "b", "d"] * 40, "fresh": [1] * 120}))

    found = diff_profiles(before, after)
    kinds = {each.name: each for each in found.columns}
    page = render_diff(found, title="x", before={"snapshot": "a"}, after={"snapshot": "b"})

    assert (found.added, found.removed) == ({"fresh": "int64"}, {"old": "string"})
    assert found.retyped == {"x": ("int64", "double")}
    assert (kinds["kind"].new, kinds["kind"].gone) == (("d",), ("c",))
    assert kinds["kind"].is_moved
    assert "type changed" in page
    assert "3 → 9.5" in page


def test_categories_too_many_to_count_are_neither_new_nor_gone():
    before = profile_table(pa.table({"id": [f"a{number}" for number in range(5000)]}))
    after = profile_table(pa.table({"id": [f"b{number}" for number in range(5000)]}))

    [column] = diff_profiles(before, after).columns

    assert (column.new, column.gone) == ((), ())
