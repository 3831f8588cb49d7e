"""Each action of a model's page, by its button and confirmation: seen in Airflow, in the ledger, and on the page."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from tests.browser.acting import act, audited, ended_run, model_page, opened

pytestmark = pytest.mark.browser

MODEL = "flights"
ACTIONS = f"{MODEL}_actions"
DIALOGS = {
    "retrain": "Retrain now",
    "roll-back": "Roll back",
    "freeze": "Freeze",
    "pause": "Pause the loop",
}


@pytest.fixture
def reason(request):
    """Words that no other run was given."""
    return f"{request.node.name} at {datetime.now(UTC):%H:%M:%S.%f}"


@pytest.fixture
def state(site):
    """Read where the ledger says the model stands."""
    return lambda: site.ledger.state(MODEL)


@pytest.fixture
def as_found(site, state):
    """Leave the demonstration's model as it was: what serves, what is frozen, whether its loop runs."""
    before = state()
    yield before
    for conf in _ways_back(before, state):
        api = site.api
        moment = max(event.at for event in state().last.values()).isoformat()
        run_id = api.trigger(ACTIONS, {**conf, "reason": "a test is over", "now": moment})
        *_, run = api.follow(ACTIONS, run_id, timeout_s=120)
        assert run.state == "success", conf


def _ways_back(before, state):
    """Give what still has to be done, one action after the other."""
    if state().promotions_frozen and not before.promotions_frozen:
        yield {"action": "unfreeze", "scope": "promotions"}
    if state().paused and not before.paused:
        yield {"action": "resume"}
    serving = before.champion.version
    if state().versions[serving].frozen:
        yield {"action": "unfreeze", "version": serving}
    if (now := state().champion.version) != serving:
        yield {"action": "roll back", "version": now, "to": serving}
    for version, each in state().versions.items():
        if each.frozen and version not in [name for name, other in before.versions.items() if other.frozen]:
            yield {"action": "unfreeze", "version": version}


@pytest.fixture
def page(visitor, as_found):
    model_page(visitor, MODEL)
    return visitor.page


def test_retrain_now_trains_and_judges_on_the_newest_rows(visitor, page, as_found, site, reason):
    newest = max(event.at for event in as_found.last.values())

    act(visitor, "Retrain now", "Retrain", reason=reason, says=["A version is trained", "goes on serving"])

    ended_run(visitor, ACTIONS, reason)
    run_id = ended_run(visitor, f"{MODEL}_retrain", reason)
    request = site.ledger.newest(MODEL, kinds=("request",), limit=1)[0]
    assert (request.run, request.payload["reason"]) == (run_id, f"admin: {reason}")
    assert datetime.fromisoformat(request.payload["now"]) == newest
    audited(visitor, reason)


def test_a_rollback_lets_the_chosen_version_serve_and_freezes_the_other(visitor, page, as_found, site, state, reason):
    served = as_found.champion.version
    other = next(version for version, each in as_found.versions.items() if each.role == "retired")

    act(
        visitor,
        "Roll back",
        "Roll back",
        reason=reason,
        chosen=other,
        says=[f"v{other} will serve again, and v{served} is frozen", "The monitor goes on"],
    )

    run_id = ended_run(visitor, ACTIONS, reason)
    promotion = site.ledger.newest(MODEL, kinds=("promotion",), limit=1)[0]
    assert (promotion.run, promotion.payload["cause"], promotion.payload["version"]) == (run_id, "rollback", other)
    assert state().versions[served].frozen.by == "admin"
    expect(page.get_by_text(f"v{other} serves since").first).to_contain_text("rolled back by admin")
    audited(visitor, reason)


def test_a_version_is_frozen_and_let_go(visitor, page, as_found, state, reason):
    version = as_found.champion.version

    act(visitor, "Freeze", "Freeze", reason=reason, chosen=version, says=[f"v{version} may not be promoted"])
    ended_run(visitor, ACTIONS, reason)
    assert state().versions[version].frozen.reason == reason
    expect(page.get_by_text(f"v{version} is frozen by admin").first).to_be_visible()

    again = f"{reason}, let go"
    act(visitor, "Unfreeze", "Unfreeze", reason=again, chosen=version, says=["Frozen by admin", reason])
    ended_run(visitor, ACTIONS, again)

    assert state().versions[version].frozen is None
    audited(visitor, again)


def test_promotions_are_frozen_and_let_go(visitor, page, state, reason):
    act(visitor, "Freeze", "Freeze", reason=reason, chosen="promotions", says=["No other version is made champion"])
    ended_run(visitor, ACTIONS, reason)
    assert state().promotions_frozen.reason == reason
    expect(page.get_by_text("Promotions are frozen by admin").first).to_be_visible()

    again = f"{reason}, let go"
    act(visitor, "Unfreeze", "Unfreeze", reason=again, chosen="promotions", says=[reason])
    ended_run(visitor, ACTIONS, again)

    assert state().promotions_frozen is None
    audited(visitor, again)


def test_the_loop_is_paused_and_resumed(visitor, page, state, reason):
    act(visitor, "Pause the loop", "Pause", reason=reason, says=["asks for nothing", "until somebody resumes"])
    ended_run(visitor, ACTIONS, reason)
    assert (state().paused.by, state().paused.reason) == ("admin", reason)
    expect(page.get_by_text("The loop is paused by admin").first).to_be_visible()
    expect(page.get_by_role("button", name="Pause the loop")).to_have_count(0)

    again = f"{reason}, resumed"
    act(visitor, "Resume the loop", "Resume", reason=again, says=["Paused by admin", reason])
    ended_run(visitor, ACTIONS, again)

    assert state().paused is None
    expect(page.get_by_role("button", name="Pause the loop")).to_be_visible()
    audited(visitor, again)


def test_two_quick_presses_make_one_run(visitor, page, site, reason):
    dialog = opened(visitor, "Pause the loop")
    dialog.get_by_role("textbox").fill(reason)
    dialog.get_by_role("button", name="Pause", exact=True).dblclick()
    expect(dialog.get_by_role("status")).to_contain_text("Pause the loop: done", timeout=120_000)

    found = site.api.request("GET", f"/api/v2/dags/{ACTIONS}/dagRuns", params={"order_by": "-id", "limit": 5})
    assert sum(run["conf"].get("reason") == reason for run in found["dag_runs"]) == 1


@pytest.mark.parametrize("name", DIALOGS)
def test_a_confirmation_is_readable_and_escape_does_nothing(themed, theme, site, name):
    from axe_playwright_python.sync_playwright import Axe

    before = site.api.run_ids(ACTIONS)
    model_page(themed, MODEL)

    dialog = opened(themed, DIALOGS[name])
    dialog.get_by_role("textbox").fill("The forecast was read with the wrong unit this week.")
    themed.page.wait_for_timeout(300)  # the dialog has come to rest
    themed.keep(f"confirm-{name}-{theme}", full=False)
    found = Axe().run(themed.page, context={"include": ["[role=dialog]"]}).response["violations"]
    themed.page.keyboard.press("Escape")

    assert [each["id"] for each in found if each["impact"] in {"serious", "critical"}] == []
    expect(dialog).to_have_count(0)
    expect(themed.page.get_by_role("button", name=DIALOGS[name], exact=True)).to_be_focused()
    assert site.api.run_ids(ACTIONS) == before
