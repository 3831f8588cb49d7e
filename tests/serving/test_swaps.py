"""20,000 requests of 8 clients across 20 swaps: each is answered, by a version that the ledger had at its epoch."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.serving.conftest import until
from tests.serving.small_models import store_model, training_rows

REQUESTS, SWAPS, CLIENTS = 20_000, 20, 8
COLUMNS = ["distance", "temp"]
ROW = {"distance": 700, "temp": 39.9}


def constant(epoch):
    """Fit a model that answers its epoch to everything, so that an answer tells who made it."""
    from sklearn.dummy import DummyRegressor

    return DummyRegressor(strategy="constant", constant=float(epoch)).fit(
        training_rows().select(COLUMNS).to_pandas(), [0.0] * 60
    )


class Client:
    """One kept connection; ``answers`` holds status, headers, body, and the epoch that was certain when it asked."""

    def __init__(self, story):
        self.story, self.answers = story, []

    async def run(self):
        body = json.dumps({"dataframe_records": [ROW]}).encode()
        head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.story.port)
        while not self.story.is_over:
            certain = self.story.certain
            writer.write(head.encode() + b"\r\n\r\n" + body)
            status, headers, answer = await read_answer(reader)
            self.story.count += 1
            self.answers.append((status, headers, answer, certain))
        writer.close()


async def read_answer(reader):
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    return int(lines[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


class Story:
    """Promote a version whenever enough requests were answered and the version before is seen to serve."""

    def __init__(self, place, port):
        self.place, self.port = place, port
        self.count, self.certain, self.is_over = 0, 1, False

    async def promote_all(self):
        for swap in range(1, SWAPS + 1):
            while self.count < swap * REQUESTS // (SWAPS + 1):
                await asyncio.sleep(0.01)
            ref = await asyncio.to_thread(self._store, swap + 1)
            await asyncio.to_thread(self.place.promote, ref)
            while await self._epoch() <= swap:
                await asyncio.sleep(0.01)
            self.certain = swap + 1
        while self.count < REQUESTS:
            await asyncio.sleep(0.01)
        self.is_over = True

    def _store(self, epoch):
        return store_model(self.place.store, constant(epoch), rows=training_rows().select(COLUMNS))

    async def _epoch(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
        _, _, body = await read_answer(reader)
        writer.close()
        return json.loads(body)["models"]["flights"]["epoch"]

    async def run(self):
        clients = [Client(self) for _ in range(CLIENTS)]
        await asyncio.gather(self.promote_all(), *(client.run() for client in clients))
        return [client.answers for client in clients]


@pytest.fixture
def answers(place, serve):
    """What each client was answered, in order."""
    place.promote(store_model(place.store, constant(1), rows=training_rows().select(COLUMNS)))
    server = serve(place.folder, "flights", "--poll", "0.05")
    until(lambda: any("serves since epoch 1" in line for line in server.lines))
    answers = asyncio.run(Story(place, server.port).run())
    assert server.end() == 0
    return answers


def test_no_request_is_lost_and_every_answer_names_who_made_it(place, answers):
    promoted = {
        (str(event.payload["version"]), event.epoch) for event in place.ledger.events("flights", kind="promotion")
    }
    every = [answer for answers_of_one in answers for answer in answers_of_one]

    assert len(every) >= REQUESTS
    assert {status for status, *_ in every} == {200}
    seen = set()
    for _, headers, body, certain in every:
        said = json.loads(body)
        who = (said["version"], said["epoch"])
        seen.add(who)
        # Body, headers and the model itself agree.
        assert (headers["x-model-version"], headers["x-model-epoch"]) == (who[0], str(who[1]))
        assert said["predictions"] == [float(said["epoch"])]
        # Once the server said that it serves an epoch, nobody is answered by an older one.
        assert said["epoch"] >= certain
    assert seen == promoted
    assert len(promoted) == SWAPS + 1
    for answers_of_one in answers:
        epochs = [json.loads(body)["epoch"] for _, _, body, _ in answers_of_one]
        assert epochs == sorted(epochs)
