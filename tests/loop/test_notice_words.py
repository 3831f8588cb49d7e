"""What a message says, in each form: bounded, escaped for who reads it, and with the link."""

from __future__ import annotations

import re

from airflow_mlops.loop.notice_words import WORDS, words_of
from airflow_mlops.loop.notices import CLOSED, OPEN, Item, Message

URL = "https://airflow.example.com/base/plugin/models/flights"


def item(number, *marks, kind="drift", sentence="6 of 8 columns moved", lines=()):
    return Item(f"{kind}:{number}", kind, marks or (OPEN,), f"{sentence} {number}", tuple(lines))


def words(*items, why="incidents", day=None):
    return words_of("flights", Message("box", items, why, day), URL)


def test_a_template_may_use_the_words_that_there_are():
    assert tuple(words(item(1))) == WORDS


def test_a_night_of_incidents_is_one_message_that_every_channel_takes():
    long = "the policy asks for a person, since " + "<x> & " * 400
    storm = [item(n, sentence=long, lines=[f"done: {long}"] * 6, kind=("drift", "late run")[n % 2]) for n in range(50)]

    said = words(*storm)

    assert said["title"] == "flights: 50 incidents"
    assert "and 30 more: 15 drift, 15 late run" in said["text"]
    assert len(said["slack"]) <= 3000
    assert said["slack"].endswith(f"…\n<{URL}|flights>")
    assert len(said["html"]) < 1_000_000
    assert said["html"].count("<li>") == said["html"].count("</li>") == 21


def test_what_is_still_wrong_stands_before_what_is_over():
    said = words(item(1, OPEN, CLOSED), item(2))["text"].splitlines()

    assert said == ["6 of 8 columns moved 2", "6 of 8 columns moved 1", URL]


def test_nothing_from_rows_is_markup_or_calls_people():
    nasty = "<!channel> & <https://evil.example|click> <script>"

    said = words(item(1, sentence=nasty))

    assert nasty in said["text"]
    assert re.findall(r"<[^>]*>", said["slack"]) == [f"<{URL}|flights>"]
    assert "&lt;!channel&gt; &amp; " in said["slack"]
    assert "<script>" not in said["html"]
    assert "&lt;!channel&gt;" in said["html"]


def test_a_reason_in_several_lines_is_one_line():
    assert words(item(1, sentence="first\n\nsecond"))["text"].splitlines()[0] == "first second 1"


def test_evidence_stands_below_its_question():
    asked = item(1, "asked", kind="approval", sentence="may version 2 serve?", lines=["gate: pass", "may answer: bob"])

    said = words(asked, why="question")

    assert said["title"] == "flights: a person's approval is asked for"
    assert said["slack"].splitlines()[1:3] == ["  gate: pass", "  may answer: bob"]
    assert "<br>gate: pass<br>may answer: bob</li>" in said["html"]
