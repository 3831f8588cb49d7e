"""Requests that wait are predicted together, without harm to each other and without bound to nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import threading

import numpy as np
import pytest

from airflow_mlops.errors import RequestRefused
from airflow_mlops.serving.batching import Batcher
from airflow_mlops.serving.loaded import load
from airflow_mlops.serving.metrics import Metrics
from airflow_mlops.serving.signature import Rows
from airflow_mlops.serving.wanted import wanted_versions
from tests.serving.conftest import in_process, until
from tests.serving.small_models import ROW, store_model, training_rows


class Silent:
    """Writes nothing down."""

    def name(self, job):
        pass

    def write(self, loaded, jobs, answers):
        pass


class Held:
    """A model that shows what it is asked, and answers when the test lets it.

    It answers the distance of each row, and refuses a batch with a distance of 13.
    """

    def __init__(self):
        self.go, self.asked = threading.Event(), []

    def __call__(self, frame):
        self.asked.append(frame["distance"].tolist())
        self.go.wait(timeout=60)
        if (frame["distance"] == 13).any():
            raise ValueError("13 brings bad luck\nand a traceback")
        return frame["distance"].to_numpy(dtype="float64")


@pytest.fixture
def loaded(champion):
    [wanted] = wanted_versions(champion.ledger, "flights")
    return load(champion.store, "flights", version="1", epoch=1, ref=wanted.model, facts=wanted.facts)


@pytest.fixture
def held(loaded):
    return dataclasses.replace(loaded, predict=Held())


@pytest.fixture
def make_batcher():
    made = []

    def make(**changes):
        batcher = Batcher(Silent(), Metrics(), **{"max_waiting_rows": 100, "batch_rows": 100, **changes})
        batcher.start()
        made.append(batcher)
        return batcher

    yield make
    for each in made:
        each.close()


def rows(*distances, widened=()):
    count = len(distances)
    return Rows(count, [["AA"] * count, list(distances), [1.0] * count], widened)


async def ask_while_busy(batcher, held, *waiting):
    """Let one request be predicted, queue others behind it, and gather what they get."""
    loop = asyncio.get_running_loop()
    first = loop.create_task(batcher.predict(held, rows(0)))
    while not held.predict.asked:
        await asyncio.sleep(0.001)
    others = [loop.create_task(batcher.predict(version, each)) for version, each in waiting]
    await asyncio.sleep(0.01)
    held.predict.go.set()
    return await asyncio.gather(first, *others, return_exceptions=True)


def test_what_waits_goes_together_and_each_gets_its_own(held, make_batcher):
    answers = asyncio.run(ask_while_busy(make_batcher(), held, (held, rows(1)), (held, rows(2, 3)), (held, rows(4))))

    assert answers == [[0.0], [1.0], [2.0, 3.0], [4.0]]
    assert held.predict.asked == [[0], [1, 2, 3, 4]]


def test_clients_that_were_answered_together_are_waited_for_to_come_again(held, make_batcher):
    batcher = make_batcher(gather_s=60)

    async def come_again():
        await ask_while_busy(batcher, held, (held, rows(1)), (held, rows(2)))
        one = asyncio.create_task(batcher.predict(held, rows(3)))
        await asyncio.sleep(0.05)
        before = list(held.predict.asked)
        await asyncio.gather(one, batcher.predict(held, rows(4)))
        return before

    assert asyncio.run(come_again()) == [[0], [1, 2]]
    assert held.predict.asked == [[0], [1, 2], [3, 4]]


def test_a_crowd_that_has_gone_is_waited_for_once(held, make_batcher):
    batcher = make_batcher(gather_s=0.001)

    async def come_alone():
        await ask_while_busy(batcher, held, (held, rows(1)), (held, rows(2)))
        return [await batcher.predict(held, rows(3)), await batcher.predict(held, rows(4))]

    assert asyncio.run(come_alone()) == [[3.0], [4.0]]
    assert held.predict.asked == [[0], [1, 2], [3], [4]]
    assert batcher._together == 1


def test_a_batch_ends_at_its_limit(held, make_batcher):
    asyncio.run(
        ask_while_busy(make_batcher(batch_rows=3), held, *[(held, rows(n, n)) for n in (1, 2)], (held, rows(3)))
    )

    assert held.predict.asked == [[0], [1, 1, 3], [2, 2]]


def test_one_bad_request_harms_no_other(held, make_batcher):
    answers = asyncio.run(ask_while_busy(make_batcher(), held, (held, rows(1)), (held, rows(13)), (held, rows(2))))

    assert (answers[1], answers[3]) == ([1.0], [2.0])
    assert isinstance(answers[2], RequestRefused)
    assert answers[2].status == 422
    assert str(answers[2]) == "version 1 of flights cannot predict these rows (ValueError: 13 brings bad luck)."


def test_versions_and_types_of_rows_are_not_mixed(held, make_batcher):
    other = dataclasses.replace(held, version="2")
    waiting = [(held, rows(1)), (other, rows(2)), (held, rows(3, widened=(1,))), (held, rows(4))]
    asyncio.run(ask_while_busy(make_batcher(), held, *waiting))

    assert held.predict.asked == [[0], [1, 4], [2], [3]]


def test_more_than_may_wait_is_refused(held, make_batcher):
    answers = asyncio.run(
        ask_while_busy(make_batcher(max_waiting_rows=3), held, (held, rows(1, 2)), (held, rows(3, 4)))
    )

    assert answers[:2] == [[0.0], [1.0, 2.0]]
    assert (answers[2].status, str(answers[2])) == (
        429,
        "2 rows wait for the model, and the server lets 3 wait; try again in a second.",
    )


def test_an_answer_of_another_length_is_refused(loaded, make_batcher):
    short = dataclasses.replace(loaded, predict=lambda frame: np.zeros(1))

    with pytest.raises(RequestRefused, match="ValueError: 1 predictions for 2 rows"):
        asyncio.run(make_batcher().predict(short, rows(1, 2)))


def test_a_model_whose_answers_depend_on_other_rows_is_not_batched(champion, caplog):
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    table = training_rows().select(["distance"])
    frame = table.to_pandas()
    fitted = make_pipeline(FunctionTransformer(np.diff, kw_args={"axis": 0, "prepend": 0}), LinearRegression())
    ref = store_model(champion.store, fitted.fit(frame, frame["distance"]), rows=table)
    [wanted] = wanted_versions(champion.ledger, "flights")
    made = load(champion.store, "flights", version="2", epoch=2, ref=ref, facts=wanted.facts)

    assert not made.is_row_wise
    assert "Version 2 of flights answers a row differently beside others: no batches for it" in caplog.text


def test_a_request_whose_time_is_over_is_given_up(champion):
    with in_process(champion, timeout_s=0.2) as client:
        served = client.server.follower.served["flights"]
        busy = Held()
        slow = dataclasses.replace(served.champion, predict=busy)
        client.server.follower.served["flights"] = dataclasses.replace(served, champion=slow)
        answer = client.post("/invocations", json={"dataframe_records": [ROW]})
        busy.go.set()
        client.server.follower.served["flights"] = served
        until(lambda: client.post("/invocations", json={"dataframe_records": [ROW]}).status_code == 200)

    assert answer.status_code == 504
    assert answer.json()["error"]["message"] == ("the request was given up after 0.2 s: the model did not come to it.")


def test_a_model_that_raises_is_a_refusal_and_the_server_goes_on(champion):
    with in_process(champion) as client:
        served = client.server.follower.served["flights"]

        def broken(frame):
            raise ZeroDivisionError("division by zero")

        client.server.follower.served["flights"] = dataclasses.replace(
            served, champion=dataclasses.replace(served.champion, predict=broken)
        )
        answer = client.post("/invocations", json={"dataframe_records": [ROW]})

        assert answer.status_code == 422
        assert answer.json()["error"] == {
            "type": "model_refused",
            "message": "version 1 of flights cannot predict these rows (ZeroDivisionError: division by zero).",
        }
        assert client.get("/health").status_code == 200


def test_whoever_gives_up_gives_its_room_back(held, make_batcher):
    batcher = make_batcher(max_waiting_rows=3)

    async def give_up():
        first = asyncio.create_task(batcher.predict(held, rows(0)))
        while not held.predict.asked:
            await asyncio.sleep(0.001)
        gone = asyncio.create_task(batcher.predict(held, rows(1, 2, 3)))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        next_one = asyncio.create_task(batcher.predict(held, rows(4, 5, 6)))
        await asyncio.sleep(0.01)
        held.predict.go.set()
        return await asyncio.gather(first, next_one)

    assert asyncio.run(give_up()) == [[0.0], [4.0, 5.0, 6.0]]
    assert held.predict.asked == [[0], [4, 5, 6]]
    assert batcher._waiting_rows == 0


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration()], ids=repr)
def test_a_model_that_wants_to_end_the_process_is_a_refusal(loaded, make_batcher, error):
    def ending(frame):
        raise error

    batcher = make_batcher()
    with pytest.raises(RequestRefused, match=f"cannot predict these rows .{type(error).__name__}: ") as refused:
        asyncio.run(batcher.predict(dataclasses.replace(loaded, predict=ending), rows(1)))

    assert refused.value.status == 422
    assert len(asyncio.run(batcher.predict(loaded, rows(1)))) == 1


def test_a_model_that_hangs_is_said_and_nothing_waits_for_it(champion):
    with in_process(champion, timeout_s=0.2) as client:
        served = client.server.follower.served["flights"]
        busy = Held()
        client.server.follower.served["flights"] = dataclasses.replace(
            served, champion=dataclasses.replace(served.champion, predict=busy)
        )
        first = client.post("/invocations", json={"dataframe_records": [ROW]})
        until(lambda: client.get("/health").status_code == 503)
        health, second = client.get("/health"), client.post("/invocations", content=b"not even read")
        busy.go.set()
        client.server.follower.served["flights"] = served
        until(lambda: client.get("/health").status_code == 200)
        third = client.post("/invocations", json={"dataframe_records": [ROW]})

    assert first.status_code == 504
    assert (health.status_code, second.status_code, third.status_code) == (503, 503, 200)
    for answer in (health, second):
        assert answer.json()["error"]["message"].startswith("version 1 of flights has been predicting for 0 s; nothing")


def test_a_server_ends_though_a_model_hangs(held, make_batcher):
    batcher = make_batcher(timeout_s=0.01)

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batcher.predict(held, rows(1)), timeout=0.05)

    asyncio.run(give_up())
    batcher.close()

    assert not held.predict.go.is_set()
    assert batcher.failure() is not None
    held.predict.go.set()


def test_a_thread_that_has_ended_is_said(loaded, make_batcher):
    batcher = make_batcher()
    batcher.close()

    with pytest.raises(RequestRefused, match="the server's prediction has ended; start it anew"):
        asyncio.run(batcher.predict(loaded, rows(1)))
