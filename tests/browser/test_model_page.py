"""A model's page in a real browser: what is chosen is in its address, and what it says is what the ledger has."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PAGE = "/plugin/models/flights"


def card(page, title):
    return page.get_by_role("region", name=title, exact=True)


def loaded(visitor, query=""):
    page = visitor.open(f"{PAGE}{query}")
    expect(page.get_by_role("heading", level=1)).to_have_text("flights")
    expect(page.locator("[data-mlops] .chakra-spinner")).to_have_count(0)
    return page


def test_a_link_opens_the_timeline_at_its_range(visitor):
    page = loaded(visitor, "?from=2013-05-22T00:00:00Z&to=2013-08-01T00:00:00Z&section=timeline")

    chosen = card(page, "Timeline").get_by_role("group", name="Range").get_by_role("button", pressed=True)
    expect(chosen).to_have_text("22 May to 1 Aug 2013")
    expect(card(page, "Timeline").get_by_role("img").first).to_have_attribute(
        "aria-label", re.compile("22 May to 1 Aug 2013")
    )


def test_a_range_is_a_step_that_back_takes_back(visitor):
    page = loaded(visitor)
    ranges = card(page, "Timeline").get_by_role("group", name="Range")

    ranges.get_by_role("button", name="3 months").click()
    expect(page).to_have_url(re.compile(r"[?&]range=months"))
    card(page, "Timeline").get_by_role("button", name=re.compile("Show the weeks around")).first.click()
    expect(page).to_have_url(re.compile(r"[?&]from=2013-.*to=2013-"))
    page.go_back()
    expect(ranges.get_by_role("button", name="3 months")).to_have_attribute("aria-pressed", "true")
    page.go_back()

    expect(ranges.get_by_role("button", name="All")).to_have_attribute("aria-pressed", "true")


def test_a_link_goes_to_a_part_and_what_is_chosen_in_it(visitor):
    page = loaded(visitor, "?section=versions&version=1")

    expect(card(page, "Versions and their evidence").get_by_role("heading", name="v1", exact=True)).to_be_visible()
    expect(card(page, "Versions and their evidence")).to_be_in_viewport()
    page.get_by_role("navigation", name="Parts of this page").get_by_role("link", name="Audit trail").click()
    expect(card(page, "Audit trail")).to_be_in_viewport()
    card(page, "Audit trail").get_by_role("button", name="People only").click()

    expect(page).to_have_url(re.compile(r"section=audit.*audit=people"))
    page.go_back()
    expect(card(page, "Audit trail").get_by_role("button", name="Everything")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("query", ["?range=nothing&from=never&to=2013", "?version=none&look=0&decision=none&check=x"])
def test_what_an_address_has_wrong_leaves_the_page(visitor, query):
    page = visitor.open(f"{PAGE}{query}")

    expect(card(page, "Timeline").get_by_role("group", name="Range")).to_be_visible()
    expect(card(page, "Traffic").get_by_role("region", name="Traffic by version")).to_be_visible()


def test_traffic_is_told_by_version(visitor):
    page = loaded(visitor)

    table = card(page, "Traffic").get_by_role("region", name="Traffic by version")
    expect(table.get_by_role("row").filter(has_text="v1")).to_contain_text(re.compile(r"\d+(\.\d+)? ms"))
    expect(card(page, "Traffic")).to_contain_text("no split between versions is on record")
