"""A person who presses a button of a model's page, reads what it would do, and says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Locator

    from tests.browser.conftest import Visitor

# A run of the actions DAG, or the end of a task that waited, beside whatever else the machine does.
PATIENCE_MS = 300_000


def model_page(visitor: Visitor, model: str) -> None:
    """Open a model's page."""
    visitor.open(f"/plugin/models/{model}")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(model)


def opened(visitor: Visitor, button: str) -> Locator:
    """Press a button and return the dialog that asks."""
    visitor.page.get_by_role("button", name=button, exact=True).click()
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def confirmed(dialog: Locator, answer: str, *, reason: str, what: str) -> None:
    """Say why, press the button that does it, and wait until Airflow has done it."""
    expect(dialog.get_by_role("button", name=answer, exact=True)).to_be_disabled()
    dialog.get_by_role("textbox").fill(reason)
    dialog.get_by_role("button", name=answer, exact=True).click()
    expect(dialog.get_by_role("status")).to_contain_text(f"{what}: done", timeout=PATIENCE_MS)
    expect(dialog.get_by_role("link", name="See the run")).to_be_visible()


def act(
    visitor: Visitor, button: str, answer: str, *, reason: str, chosen: str | None = None, says: Sequence[str] = ()
) -> None:
    """Act through the dialog, which says what will happen, and close it.

    Parameters
    ----------
    visitor : Visitor
        Who stands on the page of a model.
    button, answer : str
        What opens the dialog, and what does it.
    reason : str
        Why.
    chosen : str, optional
        What is chosen in the dialog.
    says : sequence of str
        What the dialog says before.
    """
    dialog = opened(visitor, button)
    if chosen is not None:
        dialog.get_by_role("combobox").select_option(chosen)
    for sentence in says:
        expect(dialog).to_contain_text(sentence)
    confirmed(dialog, answer, reason=reason, what=button)
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    expect(dialog).to_have_count(0)


def ended_run(visitor: Visitor, dag_id: str, reason: str) -> str:
    """Return the id of the run that was started with this reason; it has succeeded."""
    api = visitor.site.api
    runs = api.request("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"order_by": "-id", "limit": 20})["dag_runs"]
    found = next(run for run in runs if reason in str(run["conf"].get("reason")))
    *_, run = api.follow(dag_id, found["dag_run_id"], timeout_s=PATIENCE_MS / 1000)
    assert run.state == "success", [(task.task_id, task.state) for task in run.tasks]
    return found["dag_run_id"]


def audited(visitor: Visitor, reason: str) -> None:
    """See the reason in the audit trail of the page."""
    card = visitor.page.get_by_role("region", name="Audit trail", exact=True)
    card.scroll_into_view_if_needed()
    expect(card.get_by_text(reason).first).to_be_visible(timeout=PATIENCE_MS)
