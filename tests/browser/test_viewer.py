"""People who may read, and not act, in a browser: on the FAB auth manager, which knows permissions for single DAGs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from airflow_mlops.demo.settings import environment
from tests.browser.conftest import PATIENCE_MS
from tests.browser.servers import API, running_copy

pytestmark = pytest.mark.browser

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
PASSWORD = "they-only-look"


@pytest.fixture(scope="module")
def copy(site, tmp_path_factory):
    """The demonstration's Airflow with the FAB auth manager."""
    extra = {"AIRFLOW__CORE__AUTH_MANAGER": FAB}
    with running_copy(site.settings, tmp_path_factory.mktemp("fab"), extra=extra) as copy:
        making = [sys.executable, str(Path(__file__).with_name("people.py")), PASSWORD]
        done = subprocess.run(making, env=environment(copy.settings), text=True, capture_output=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        copy.start(API)
        yield copy


@pytest.fixture
def enter(browser, copy):
    """Log somebody in by FAB's form, and return their page."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)

    def log_in(name):
        page = context.new_page()
        page.goto(f"{copy.url}/auth/login/")
        page.locator("#username").fill(name)
        page.locator("#password").fill(PASSWORD)
        page.locator("input[type=submit]").click()
        page.wait_for_url(lambda url: "/login" not in url)
        return page

    yield log_in
    context.close()


def test_a_viewer_sees_the_pages_and_is_told_why_an_action_is_refused(enter, copy):
    page = enter("viewer")
    page.goto(f"{copy.url}/plugin/models")
    page.get_by_role("link", name="flights", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("flights")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    expect(page.locator("[data-mlops] .chakra-spinner")).to_have_count(0)
    expect(page.get_by_text("You may not do this")).to_have_count(0)

    page.get_by_role("button", name="Pause the loop").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("to see whether I may")
    with page.expect_response(lambda answer: answer.request.method == "POST" and "dagRuns" in answer.url) as refused:
        dialog.get_by_role("button", name="Pause").click()

    assert refused.value.status == 403
    expect(dialog.get_by_role("alert")).to_have_text(
        "You may read this model, but not act on it: ask for edit on flights_actions."
    )


def test_every_way_to_act_is_closed_to_a_viewer(enter, copy):
    page = enter("viewer")
    acts = {
        "/api/v2/dags/flights_actions/dagRuns": ("POST", {"logical_date": None, "conf": {"action": "pause"}}),
        "/api/v2/dags/flights_monitor?update_mask=is_paused": ("PATCH", {"is_paused": True}),
        "/api/v2/dags/flights_retrain/dagRuns/any/taskInstances/approve/-1/hitlDetails": (
            "PATCH",
            {"chosen_options": ["Approve"], "params_input": {}},
        ),
    }

    statuses = {
        path: page.request.fetch(f"{copy.url}{path}", method=method, data=body).status
        for path, (method, body) in acts.items()
    }

    assert statuses == dict.fromkeys(acts, 403)


def test_who_may_read_another_models_dags_alone_does_not_see_this_one(enter, copy):
    page = enter("planner")
    page.goto(f"{copy.url}/plugin/models")
    expect(page.get_by_role("link", name="delay_band", exact=True)).to_be_visible()

    expect(page.get_by_role("link", name=re.compile("flights|arrival_delay"))).to_have_count(0)
    expect(page.get_by_text("1 model, none needs somebody")).to_be_visible()
    page.goto(f"{copy.url}/plugin/models/flights")
    expect(page.get_by_text("No such model, or none that you may see")).to_be_visible()
    expect(page.get_by_role("heading", name="Timeline")).to_have_count(0)
