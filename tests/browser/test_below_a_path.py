"""Airflow below a path of a host, as behind a proxy: pages, tab, reports and actions find their way."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site, log_in, visiting
from tests.browser.servers import API, running_copy

pytestmark = pytest.mark.browser

BELOW = "/airflow"


@pytest.fixture(scope="module")
def below(site, tmp_path_factory):
    """The demonstration's Airflow once more, below a path."""
    with running_copy(site.settings, tmp_path_factory.mktemp("below"), below=BELOW) as copy:
        copy.start(API)
        yield Site(copy.url, copy.settings)


@pytest.fixture
def visitor(browser, below):
    """Somebody who logged in by the form below the path."""
    with visiting(browser, below, log_in(browser, below)) as visitor:
        asked = []
        visitor.page.on("request", lambda request: asked.append(request.url))
        yield visitor
        assert [url for url in asked if not url.startswith((below.url, "data:", "blob:"))] == []
        assert visitor.complaints == []


def test_the_list_the_page_and_the_tab_work_below_a_path(visitor):
    page = visitor.open("/plugin/models")
    page.get_by_role("link", name="flights", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("flights")
    expect(page.locator("[data-mlops] .chakra-spinner")).to_have_count(0)
    expect(page.locator("[data-mlops]").get_by_role("alert")).to_have_count(0)

    page.get_by_role("link", name="Monitor DAG").click()
    page.get_by_role("link", name="Model", exact=True).click()
    page.get_by_role("link", name="Open the page of flights").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("flights")
    assert page.url == f"{visitor.site.url}/plugin/models/flights"


def test_a_report_opens_below_a_path(visitor):
    page = visitor.open("/plugin/models/flights")
    leads = page.get_by_role("link", name="↗").first.get_attribute("href")

    assert leads.startswith(f"{BELOW}/mlops/reports/")
    assert page.request.get(f"{visitor.site.settings.airflow_url}{leads}").ok


def test_an_action_starts_a_run_below_a_path(visitor):
    page = visitor.open("/plugin/models/flights")
    page.get_by_role("button", name="Pause the loop").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("to see whether it starts")
    with page.expect_response(lambda answer: answer.request.method == "POST") as started:
        dialog.get_by_role("button", name="Pause").click()

    assert started.value.status == 200
    # Without a scheduler it waits.
    expect(dialog.get_by_text("waiting for a free place")).to_be_visible()
    run = quote(started.value.json()["dag_run_id"], safe="")
    link = dialog.get_by_role("link", name="See the run")
    expect(link).to_have_attribute("href", f"{BELOW}/dags/flights_actions/runs/{run}")
