"""The tab "Model" on Airflow's own page of a DAG, reached as a person reaches it: by clicking."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
NO_MODEL = {"kind": None, "model": None}


def open_tab(visitor, dag_id):
    page = visitor.open(f"/dags/{dag_id}")
    page.get_by_role("link", name="Model", exact=True).click()
    return page


def test_the_tab_of_a_dag_shows_its_model_and_leads_to_its_page(visitor):
    page = visitor.open("/dags")
    page.locator("a[href$='/dags/flights_monitor']").first.click()
    page.get_by_role("link", name="Model", exact=True).click()

    expect(page.get_by_role("heading", name="flights", exact=True)).to_be_visible()
    expect(page.get_by_text("decides whether a training is needed")).to_be_visible()
    expect(page.get_by_text("Last decision")).to_be_visible()
    visitor.keep("dag-tab", full=False)
    page.get_by_role("link", name="Open the page of flights").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("flights")
    assert visitor.complaints == []


@pytest.mark.parametrize("kind", ["retrain", "score", "actions"])
def test_each_dag_of_a_model_shows_it(visitor, kind):
    page = open_tab(visitor, f"flights_{kind}")

    expect(page.get_by_role("heading", name="flights", exact=True)).to_be_visible()


def test_a_dag_written_by_hand_shows_the_model_of_its_tag(visitor):
    page = open_tab(visitor, "flights_by_hand")

    expect(page.get_by_role("heading", name="flights", exact=True)).to_be_visible()


def test_a_dag_without_a_model_says_so(visitor):
    # Every DAG of the demonstration has one.
    visitor.page.route("**/api/v1/dags/flights_by_hand/model", lambda route: route.fulfill(json=NO_MODEL))
    page = open_tab(visitor, "flights_by_hand")

    expect(page.get_by_text("This DAG belongs to no model.")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert visitor.complaints == []
