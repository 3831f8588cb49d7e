"""A version that waits for a person, from the button that trains it to the answer and what comes of it.

The models are small ones of an Airflow of their own, whose specs ask a person before any change serves and have a
second policy in shadow.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.acting import PATIENCE_MS, act, audited, confirmed, ended_run, model_page, opened
from tests.browser.conftest import ASKED, visiting

pytestmark = pytest.mark.browser

APPROVED, REJECTED = ASKED
ANSWER = "Approve or reject v1"
WHY = "The first rows of January are enough to begin with."
YES = "It beats the simple baseline on days it has not seen."
NO = "Ten days hold no storm; wait for February."


@pytest.fixture(scope="module")
def waiting(browser, asking_site, asked_cookie):
    """Train both models from their pages, and wait until both wait for a person; give the runs by model."""
    api = asking_site.api
    runs = {}
    for model in ASKED:
        for kind in ("actions", "retrain", "monitor"):
            api.wait_for_dag(f"{model}_{kind}")
        with visiting(browser, asking_site, asked_cookie) as visitor:
            model_page(visitor, model)
            act(visitor, "Retrain now", "Retrain", reason=WHY, says=["nothing, so it has to beat the simple baseline"])
        runs[model] = api.run_ids(f"{model}_retrain")[0]
    for model, run_id in runs.items():
        for run in api.follow(f"{model}_retrain", run_id, timeout_s=PATIENCE_MS / 1000):
            if any(task.state == "awaiting_input" for task in run.tasks):
                break
        assert run.state == "running", [(task.task_id, task.state) for task in run.tasks]
    return runs


@pytest.fixture(params=["light", "dark"])
def themed_asked(browser, asking_site, asked_cookie, request):
    """Look at the small Airflow in each theme."""
    with visiting(browser, asking_site, asked_cookie, request.param) as visitor:
        yield visitor, request.param


def test_the_list_the_page_and_the_dialog_show_what_waits(waiting, themed_asked):
    from axe_playwright_python.sync_playwright import Axe

    visitor, theme = themed_asked
    page = visitor.open("/plugin/models")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=REJECTED, exact=True))
    expect(row).to_contain_text("Needs approval")
    visitor.keep(f"waits-list-{theme}")

    row.get_by_role("link", name="Review v1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(REJECTED)
    expect(page.get_by_role("button", name=ANSWER)).to_be_visible()
    expect(page.locator("[data-mlops] .chakra-spinner")).to_have_count(0)
    visitor.keep(f"waits-page-{theme}", full=False)

    dialog = opened(visitor, ANSWER)
    expect(dialog).to_contain_text("v1 passed its gate and waits for a person, asked for every change")
    expect(dialog).to_contain_text("Evidence: pass")
    expect(dialog.get_by_role("link", name="Open its run")).to_be_visible()
    dialog.get_by_role("textbox").fill(NO)
    page.wait_for_timeout(300)  # the dialog has come to rest
    visitor.keep(f"confirm-approval-{theme}", full=False)
    found = Axe().run(page, context={"include": ["[role=dialog]"]}).response["violations"]
    assert [each["id"] for each in found if each["impact"] in {"serious", "critical"}] == []
    assert visitor.complaints == []


def test_an_approved_version_serves(waiting, asked):
    ledger, page = asked.site.ledger, asked.page
    model_page(asked, APPROVED)
    dialog = opened(asked, ANSWER)

    with page.context.expect_page() as opening:
        dialog.get_by_role("link", name="Evaluation report").click()
    report = opening.value
    expect(report.get_by_role("heading").first).to_be_visible()
    expect(report.locator("body")).to_contain_text(re.compile("baseline", re.IGNORECASE))
    report.close()
    confirmed(dialog, "Approve", reason=YES, what="Approval")
    dialog.get_by_role("button", name="Close", exact=True).last.click()

    *_, run = asked.site.api.follow(f"{APPROVED}_retrain", waiting[APPROVED], timeout_s=PATIENCE_MS / 1000)
    assert (run.state, {task.task_id: task.state for task in run.tasks}["deploy"]) == ("success", "success")
    answer = ledger.state(APPROVED).last["approval"].payload
    assert (answer["answer"], answer["by"], answer["reason"]) == ("approved", ["admin"], YES)
    assert ledger.state(APPROVED).champion.version == "1"
    model_page(asked, APPROVED)
    expect(page.get_by_text("v1 serves since").first).to_contain_text(f"approved by admin ({YES})")
    expect(page.get_by_role("button", name=ANSWER)).to_have_count(0)
    audited(asked, YES)


def test_a_rejected_version_does_not_serve_and_the_reason_stays(waiting, asked):
    ledger, page = asked.site.ledger, asked.page
    model_page(asked, REJECTED)
    confirmed(opened(asked, ANSWER), "Reject", reason=NO, what="Rejection")

    *_, run = asked.site.api.follow(f"{REJECTED}_retrain", waiting[REJECTED], timeout_s=PATIENCE_MS / 1000)
    assert (run.state, {task.task_id: task.state for task in run.tasks}["deploy"]) == ("success", "skipped")
    answer = ledger.state(REJECTED).last["approval"].payload
    assert (answer["answer"], answer["by"], answer["reason"]) == ("rejected", ["admin"], NO)
    assert ledger.state(REJECTED).champion is None
    model_page(asked, REJECTED)
    expect(page.get_by_text("Nothing serves").first).to_be_visible()
    expect(page.get_by_role("button", name=ANSWER)).to_have_count(0)
    audited(asked, NO)
    page = asked.open("/plugin/models")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=REJECTED, exact=True))
    expect(row).not_to_contain_text("Needs approval")


def test_the_policy_in_shadow_decides_and_the_own_one_again(asked, asking_site):
    for kind in ("actions", "retrain"):
        asking_site.api.wait_for_dag(f"{APPROVED}_{kind}")
    model_page(asked, APPROVED)
    says = ["the policy committee decides, and the policy excess_loss only records", "has not looked yet", "weighs"]

    act(asked, "Use shadow policy", "Use shadow policy", reason="It was right all winter.", says=says)
    ended_run(asked, f"{APPROVED}_actions", "It was right all winter.")
    override = asking_site.ledger.state(APPROVED).last["override"].payload
    assert (override["policy"], override["by"], override["reason"]) == ("shadow", "admin", "It was right all winter.")
    audited(asked, "It was right all winter.")

    says = ["the policy excess_loss decides again, and the policy committee", "It was right all winter."]
    act(asked, "Use own policy", "Use own policy", reason="Spring is here.", says=says)
    ended_run(asked, f"{APPROVED}_actions", "Spring is here.")
    assert asking_site.ledger.state(APPROVED).last["override"].payload["policy"] == "own"
    expect(asked.page.get_by_role("button", name="Use shadow policy")).to_be_visible()
    audited(asked, "Spring is here.")
