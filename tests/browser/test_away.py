"""What the pages say while a part is away, and that they recover by themselves: each part is taken away for real."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site, visiting
from tests.browser.servers import API, MLFLOW, SERVER, running_copy

pytestmark = pytest.mark.browser

PAGES = {"models": "/plugin/models", "model": "/plugin/models/flights"}
# What a part says while the sentence above the page tells the whole story.
SINCE = r"(is as it was on|was first missed on) \d+ \w+ \d\d:\d\d UTC\."
# Pages ask every half minute, the parts are asked at most every ten seconds, and a ledger is waited for a while.
PATIENCE_MS = 75_000


@pytest.fixture(scope="module")
def copy(site, tmp_path_factory):
    """The demonstration once more, to take away."""
    with running_copy(site.settings, tmp_path_factory.mktemp("away")) as copy:
        copy.start(MLFLOW, SERVER, API)
        yield copy


@pytest.fixture(params=PAGES)
def page(request, browser, copy, session_cookie):
    """The list and a model's page, loaded while all is well."""
    with visiting(browser, Site(copy.url, copy.settings), session_cookie) as visitor:
        page = visitor.open(PAGES[request.param])
        expect(page.get_by_text("Watching").first).to_be_visible()
        expect(page.locator("[data-mlops] .chakra-spinner")).to_have_count(0)
        expect(trouble(page)).to_have_count(0)
        page.keep = lambda name: visitor.keep(f"{request.param}-{name}", full=False)
        # A page that was loaded anew would not have it.
        page.evaluate("window.isSame = true")
        yield page


def trouble(page):
    """Every sentence about something that is away."""
    return page.locator("[data-mlops] .chakra-alert__root", has_text=re.compile("away|answer|gone|readable"))


def expect_told(page, sentence):
    # As somebody does who comes back to the page; else it asks within half a minute.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    said = trouble(page).filter(has_text=re.compile(sentence)).first
    expect(said).to_be_visible(timeout=PATIENCE_MS)
    expect(said).to_contain_text(re.compile(SINCE))
    expect(page.get_by_text("Watching").first).to_be_visible()


def expect_recovered(page):
    expect(trouble(page)).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.get_by_text("is away:")).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.get_by_text("Watching").first).to_be_visible()
    assert page.evaluate("window.isSame")


@contextmanager
def moved(ledger):
    """The disk of the ledger is not there."""
    beside = ledger.with_suffix(".elsewhere")
    ledger.rename(beside)
    yield
    beside.rename(ledger)


@contextmanager
def damaged(ledger):
    """Somebody wrote over the ledger."""
    whole = shutil.copy(ledger, ledger.with_suffix(".whole"))
    with ledger.open("r+b") as file:
        # All but its first page, which says that it is a database.
        file.seek(4096)
        file.write(b"x" * (ledger.stat().st_size - 4096))
    yield
    shutil.copy(whole, ledger)


@contextmanager
def locked(ledger):
    """Somebody holds the ledger's lock, as a stuck process does where there is no write-ahead log."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as holding:
        holding.execute("PRAGMA journal_mode=DELETE")
        holding.execute("BEGIN EXCLUSIVE")
        yield
        holding.execute("ROLLBACK")
        holding.execute("PRAGMA journal_mode=WAL")


@pytest.mark.parametrize(
    ("page", "befalls", "sentence"),
    [
        ("models", moved, "The ledger is gone: there is no file ledger.db.*put the file back, or restore a backup"),
        ("model", moved, "The ledger is gone: there is no file ledger.db.*put the file back, or restore a backup"),
        ("model", damaged, "ledger.db is not a readable ledger.*Restore a backup"),
        ("models", locked, "The ledger at ledger.db did not answer: database is locked"),
    ],
    indirect=["page"],
)
def test_a_ledger_that_is_away_is_told_above_what_was_known(page, copy, befalls, sentence):
    with befalls(copy.ledger):
        expect_told(page, sentence)
        page.keep(f"ledger-{befalls.__name__}")
    expect_recovered(page)


def test_a_page_that_is_opened_while_the_ledger_is_away_says_so_and_fills_itself(page, copy):
    with moved(copy.ledger):
        page.reload()
        expect(trouble(page).first).to_contain_text("The ledger is gone", timeout=PATIENCE_MS)
        expect(page.get_by_text("No champion")).to_have_count(0)
        assert not copy.ledger.exists()
    expect(page.get_by_text("Watching").first).to_be_visible(timeout=PATIENCE_MS)
    expect(trouble(page)).to_have_count(0)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (MLFLOW, "MLflow does not answer.*check that it runs"),
        (SERVER, "The model server of connection 'model_server_default' does not answer.*check that it runs"),
        (API, "Airflow's API server does not answer; asking again by itself"),
    ],
)
def test_a_server_that_is_away_is_named_while_the_page_goes_on(page, copy, part, sentence):
    copy.kill(part)
    try:
        expect_told(page, sentence)
        page.keep(f"{part}-away")
    finally:
        copy.start(part)
    expect_recovered(page)


@pytest.mark.parametrize("page", ["model"], indirect=True)
def test_an_api_server_that_hangs_is_one_that_is_away(page, copy):
    copy.hang(API)
    try:
        expect_told(page, "Airflow's API server does not answer")
    finally:
        copy.resume(API)
    expect_recovered(page)
