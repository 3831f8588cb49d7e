"""Chromium before a real Airflow with the demonstration's ledger.

``MLOPS_UI_FOLDER`` names the folder of a demonstration that runs already, which saves the minutes of telling it;
``MLOPS_UI_URL`` another API server on the same database. ``MLOPS_UI_PICTURES`` names a folder to keep pictures in.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_mlops.demo.settings import USER, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parents[2]
# Nothing in a test asks another host, so Chromium's own errands are switched off too.
SWITCHES = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 20_000


@dataclass(frozen=True)
class Site:
    """Where Airflow answers, and who logs in."""

    url: str
    password: str
    user: str = USER


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Iterator[Site]:
    """The demonstration's Airflow; it is told first where none is named."""
    named = os.environ.get("MLOPS_UI_FOLDER")
    folder = Path(named) if named else tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "airflow_mlops.demo", "up", "--folder", folder, "--dags", ROOT / "dags"]
    if not named:
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "CI": "true"}, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    settings = Settings.read(folder)
    yield Site(os.environ.get("MLOPS_UI_URL", settings.airflow_url), settings.password)
    if not named:
        subprocess.run([*command[:3], "down", *command[4:]], cwd=ROOT, check=True, capture_output=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of the machine."""
    from playwright.sync_api import sync_playwright

    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "No Chromium was found on the PATH; install the Debian package chromium, or name it in CHROMIUM."
    # A container's root has no sandbox for its browser.
    switches = [*SWITCHES, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=switches)
        yield started
        started.close()


@pytest.fixture(scope="session")
def session_cookie(browser, site) -> dict[str, str]:
    """Log in once by the form, as a person does."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/auth/login", timeout=PATIENCE_MS)
    page.get_by_label("Username").fill(site.user)
    page.locator("input[type=password]").fill(site.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login" not in url, timeout=PATIENCE_MS)
    cookie = next(each for each in context.cookies() if each["name"] == "_token")
    context.close()
    return {"name": "_token", "value": cookie["value"], "url": site.url}


@dataclass
class Visitor:
    """A person with a browser; ``complaints`` are what the browser's console said was wrong."""

    page: Page
    site: Site
    complaints: list[str]

    def open(self, path: str) -> Page:
        """Open an address of Airflow's."""
        self.page.goto(f"{self.site.url}{path}", timeout=PATIENCE_MS)
        return self.page

    def keep(self, name: str) -> None:
        """Keep a picture of the page for the docs, where a folder is named."""
        if folder := os.environ.get("MLOPS_UI_PICTURES"):
            self.page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)


@pytest.fixture(params=["light", "dark"])
def theme(request) -> str:
    """Both themes of Airflow."""
    return request.param


@pytest.fixture
def visitor(browser, site, session_cookie) -> Iterator[Visitor]:
    """Somebody who is logged in, in the light theme."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield _enter(context, site, session_cookie)
    context.close()


@pytest.fixture
def themed(browser, site, session_cookie, theme) -> Iterator[Visitor]:
    """Somebody who is logged in, in each theme."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=theme)
    context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    yield _enter(context, site, session_cookie)
    context.close()


def _enter(context: BrowserContext, site: Site, cookie: dict[str, str]) -> Visitor:
    context.add_cookies([cookie])
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    visitor = Visitor(page, site, [])
    page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and visitor.complaints.append(said.text))
    return visitor
