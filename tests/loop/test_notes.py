"""What a run came to, in a few sentences."""

from __future__ import annotations

import pytest

from airflow_mlops.events import Event
from airflow_mlops.loop.notes import note_of
from tests.conftest import utc

AT = utc("2013-03-01T05:00:00")


def event(kind: str, run: str | None = "manual__1", key: str = "key", **payload) -> Event:
    return Event("flights", 1, kind, key, AT, AT, run, None, payload, "", "")


@pytest.mark.parametrize(
    ("told", "kind", "text"),
    [
        (
            event(
                "decision",
                action="retrain",
                reasons=["version 1 has lost 0.4 more than a fresh model would have"],
                counterfactual="Below 0.3 it would be 'nothing'.",
            ),
            "monitor",
            "Decided: retrain. Version 1 has lost 0.4 more than a fresh model would have. Below 0.3 it would be "
            "'nothing'.",
        ),
        (
            event("decision", action="warn", held_by="data check", reasons=["rows are bad"]),
            "monitor",
            "Decided: warn, held by the data check. Rows are bad.",
        ),
        (
            event("evaluate", verdict="fail", reasons=["it is not shown to beat the baseline"]),
            "retrain",
            "Refused: what was trained does not replace the champion. It is not shown to beat the baseline.",
        ),
        (
            event("deploy", outcome="refused", version="2", reasons=["it needs too much memory."]),
            "retrain",
            "Refused: v2 does not serve. It needs too much memory.",
        ),
        (
            event("approval", answer="rejected", version="2", by=["ada", "bob"], reason="no evidence"),
            "retrain",
            "Rejected by ada and bob: v2 does not serve. No evidence.",
        ),
        (
            event("request", cause=None, reason="nothing to do: the loop is paused"),
            "retrain",
            "Nothing was trained. Nothing to do: the loop is paused.",
        ),
        (
            event("promotion", version="2", cause=None, evaluation={"reasons": ["it beats the baseline"]}),
            "retrain",
            "Promoted: v2 serves. It beats the baseline.",
        ),
        (
            event("promotion", version="1", cause="rollback", reason="it drifts"),
            "actions",
            "Rolled back: v1 serves again. It drifts.",
        ),
        (
            event("freeze", scope="version", version="3", frozen=True, reason="it is too slow"),
            "actions",
            "Frozen: v3 is not promoted. It is too slow.",
        ),
        (
            event("freeze", scope="promotions", version=None, frozen=False, reason="the holiday is over"),
            "actions",
            "Unfrozen: versions may be promoted again. The holiday is over.",
        ),
        (
            event("freeze", scope="loop", version=None, frozen=True, reason="a holiday"),
            "actions",
            "Paused: the loop asks for nothing by itself. A holiday.",
        ),
        (
            event("override", policy="shadow", reason="a trial"),
            "actions",
            "From now on the policy in shadow decides. A trial.",
        ),
        (
            event("reproduction", version="1", sentence="version 1 of flights, trained again, is the same."),
            "reproduce",
            "Version 1 of flights, trained again, is the same.",
        ),
        (event("drill", verdict="held", seconds={"total": 1.62}), "drill", "Rollback rehearsed: held. It took 1.6 s."),
    ],
)
def test_a_run_that_came_to_something_is_told_in_sentences(told, kind, text):
    note = note_of(told)

    assert (note.run_id, note.kinds[0], note.text) == ("manual__1", kind, text)


@pytest.mark.parametrize(
    "told",
    [
        event("decision", run=None, action="retrain"),
        event("freeze", key="version 3:replaced@4", scope="version", version="3", frozen=True, reason="it lost"),
        event("evaluate", verdict="pass"),
        event("deploy", outcome="done", version="2"),
        event("approval", answer="asked", version="2"),
        event("request", cause="decision", reason="it is old"),
        event("promotion", version="1", cause="drill"),
        event("ingest", rows=3),
        event("decision"),
    ],
)
def test_what_ends_no_run_has_no_note(told):
    assert note_of(told) is None


def test_a_strange_payload_harms_nobody():
    for kind in ("decision", "evaluate", "deploy", "approval", "request", "promotion", "drill"):
        for strange in (None, 3, [], {}, "x" * 5000, [None, {"a": 1}]):
            names = ("action", "verdict", "outcome", "answer", "cause", "version", "reasons", "reason", "seconds", "by")
            note = note_of(event(kind, **dict.fromkeys(names, strange)))
            assert note is None or len(note.text) <= 1000


def test_a_long_note_is_cut_to_what_airflow_keeps():
    note = note_of(event("decision", action="retrain", reasons=["a" * 900, "b" * 900]))

    assert (len(note.text), note.text[-1]) == (1000, "…")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "the slice carrier=[sign in](https://example.com) lost",
            r"the slice carrier=[sign in\](https://example.com) lost",
        ),
        ("![x](https://example.com/seen.png)", r"\![x\](https://example.com/seen.png)"),
        (r"[x\](https://example.com)", r"[x\\\](https://example.com)"),
        ("[x][y]\n[y]: https://example.com", r"[x\][y] [y\]: https://example.com"),
        ("between [0.1, 0.2] and a_b * 2!", "between [0.1, 0.2] and a_b * 2!"),
    ],
)
def test_what_data_and_people_say_becomes_no_link_and_no_picture(text, shown):
    note = note_of(event("decision", action="warn", reasons=[text]))

    assert note.text == f"Decided: warn. {shown[0].upper()}{shown[1:]}."
