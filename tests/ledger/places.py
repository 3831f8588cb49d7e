"""What tests of the ledger share: a moment, processes that start at once, a change behind the ledger's back."""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime

MARCH = datetime(2013, 3, 1, tzinfo=UTC)
fork = multiprocessing.get_context("fork")


def tamper(ledger, statement):
    """Change the database behind the ledger's back."""
    with ledger._database.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql(statement)


def in_processes(work, count):
    """Call ``work(number)`` in ``count`` processes at the same moment; return what they return."""
    start, results = fork.Barrier(count), fork.SimpleQueue()

    def run(number):
        start.wait()
        try:
            results.put(work(number))
        except Exception as error:
            results.put(error)

    processes = [fork.Process(target=run, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return found
