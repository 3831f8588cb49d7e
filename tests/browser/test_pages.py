"""The pages in a real browser: the list, a model's page, both themes, keyboard and accessible names."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

MODEL = "flights"
PAGES = {"models": "/plugin/models", "model": f"/plugin/models/{MODEL}"}
# Of axe's four grades; what Airflow itself draws around our pages is not ours to mend.
SERIOUS = {"serious", "critical"}


def loaded(visitor, name):
    page = visitor.open(PAGES[name])
    expect(page.get_by_role("heading", level=1)).to_have_text({"models": "Models", "model": MODEL}[name])
    expect(page.locator("[data-mlops] .chakra-spinner")).to_have_count(0)
    return page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn_in_both_themes_without_a_complaint(themed, theme, name):
    loaded(themed, name)
    themed.keep(f"{name}-{theme}")

    assert themed.complaints == []
    assert themed.page.locator("html").get_attribute("class") == theme


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(themed, name):
    from axe_playwright_python.sync_playwright import Axe

    page = loaded(themed, name)

    found = Axe().run(page, context={"include": ["[data-mlops]"]}).response["violations"]

    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found if each["impact"] in SERIOUS] == []


def test_the_list_leads_to_a_model_and_back_by_keyboard(visitor):
    page = loaded(visitor, "models")

    page.get_by_role("link", name=MODEL, exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(MODEL)
    page.go_back()

    expect(page.get_by_role("heading", level=1)).to_have_text("Models")
