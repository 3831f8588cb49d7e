"""The pages on a telephone, on a wide screen, enlarged, without motion and by keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PAGES = {"models": "/plugin/models", "model": "/plugin/models/flights"}
SCREENS = {"small": (390, 844), "wide": (1920, 1080), "enlarged": (720, 450)}
# Everything that reaches beyond the window or is cut off by its box, but for what scrolls by itself and what says in
# its title what its end is.
CUT = """() => {
  const scrolls = (node) => {
    for (let each = node; each; each = each.parentElement)
      if (["auto", "scroll"].includes(getComputedStyle(each).overflowX) && each.scrollWidth > each.clientWidth
          && each.matches("[tabindex], pre")) return true;
    return false;
  };
  const found = [];
  for (const node of document.querySelectorAll("[data-mlops] *")) {
    const box = node.getBoundingClientRect();
    if (!box.width || !box.height || scrolls(node)) continue;
    const style = getComputedStyle(node);
    const isHidden = style.position === "absolute" && box.width <= 1;
    const isOut = box.right > innerWidth + 1 || box.left < -1;
    const isCut = style.overflowX === "hidden" && node.scrollWidth > node.clientWidth + 1 && !node.title;
    if (!isHidden && (isOut || isCut)) found.push(`${node.tagName} ${node.textContent.slice(0, 80)}`);
  }
  return found;
}"""


def loaded(visitor, name, screen):
    width, height = SCREENS[screen]
    visitor.page.set_viewport_size({"width": width, "height": height})
    page = visitor.open(PAGES[name])
    expect(page.get_by_text("Watching").first).to_be_visible()
    expect(page.locator("[data-mlops] .chakra-spinner")).to_have_count(0)
    return page


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("screen", SCREENS)
def test_nothing_is_cut_off_and_the_page_scrolls_one_way_only(themed, theme, name, screen):
    page = loaded(themed, name, screen)
    themed.keep(f"{name}-{screen}-{theme}", full=False)

    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(CUT) == []
    assert themed.complaints == []


def test_the_menu_of_a_small_screen_leads_to_the_models(visitor):
    page = loaded(visitor, "model", "small")

    page.get_by_role("link", name="Models").first.click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Models")


def test_nothing_moves_for_those_who_asked_for_it(visitor):
    visitor.page.emulate_media(reduced_motion="reduce")
    page = loaded(visitor, "model", "wide")

    moving = "document.getAnimations().filter((each) => each.effect.getComputedTiming().iterations === Infinity).length"
    assert page.evaluate(moving) == 0


# What has the focus: whether it is ours, its words, and whether its outline or its shadow says so.
FOCUSED = """() => {
  const node = document.activeElement;
  const style = getComputedStyle(node);
  const isSeen = (style.outlineStyle !== "none" && style.outlineWidth !== "0px") || style.boxShadow !== "none";
  const box = node.getBoundingClientRect();
  const isInSight = box.bottom > 0 && box.top < innerHeight;
  return { isOurs: Boolean(node.closest("[data-mlops]")), isShown: isSeen && isInSight,
    words: `${node.tagName} ${(node.getAttribute("aria-label") ?? node.textContent).slice(0, 60)}` };
}"""
# What is disabled takes no focus, and of a group that arrows walk through one does.
REACHABLE = "[data-mlops] :is(a[href], button:not(:disabled), select, summary, [tabindex='0']):not([tabindex='-1'])"


def test_a_models_page_is_walked_through_by_keyboard_and_shows_where_one_is(visitor):
    page = loaded(visitor, "model", "wide")
    count = page.locator(REACHABLE).filter(visible=True).count()
    walked = []
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link").focus()
    for _ in range(2 * count):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if not found["isOurs"]:
            break
        walked.append(found)

    assert [each["words"] for each in walked if not each["isShown"]] == []
    assert len(walked) >= count - 1


def test_a_dialog_keeps_the_focus_and_gives_it_back(visitor):
    page = loaded(visitor, "model", "wide")
    button = page.get_by_role("button", name="Roll back")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()

    for _ in range(8):
        page.keyboard.press("Tab")
        expect(dialog.locator(":focus")).to_have_count(1)
    page.keyboard.press("Escape")

    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
