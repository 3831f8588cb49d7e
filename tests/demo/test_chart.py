from __future__ import annotations

from airflow_mlops.demo.chart import Bar, chart


def test_a_higher_loss_is_a_higher_column_and_the_scale_says_how_high():
    title, *columns, versions = chart([Bar(0.4, "1"), Bar(0.8, "1"), Bar(0.6, "2")], title="loss", height=4)

    assert title.strip() == "loss"
    assert columns == [
        "  0.80 │  █   ",
        "       │  █ ▃ ",
        "       │  █ █ ",
        "  0.30 │▆ █ █ ",
    ]
    assert versions == "version 1───2─"


def test_a_blocked_week_and_an_unmeasured_one_are_marked_and_explained():
    bars = [Bar(None, "1"), Bar(0.5, "1"), Bar(None, "1", is_blocked=True)]

    lines = chart(bars, title="loss", height=2)

    assert lines[2].endswith("│· █ ✗ ")
    assert lines[-1].strip() == "✗ data blocked, · nothing measured"


def test_equal_losses_are_full_columns():
    assert chart([Bar(0.5, "1"), Bar(0.5, "1")], title="loss", height=1)[1].endswith("█ █ ")


def test_nothing_is_drawn_while_nothing_was_measured():
    assert chart([Bar(None, "1")], title="loss") == []
