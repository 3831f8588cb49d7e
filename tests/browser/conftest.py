"""Chromium before a real Airflow with the demonstration's ledger, and before a small one where people are asked.

``MLOPS_UI_FOLDER`` names the folder of a demonstration that runs already, which saves the minutes of telling it;
``MLOPS_UI_URL`` another API server on the same database. ``MLOPS_UI_PICTURES`` names a folder to keep pictures in.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from airflow_mlops.demo.airflow_api import AirflowApi
from airflow_mlops.demo.services import Stack
from airflow_mlops.demo.settings import USER, Settings
from airflow_mlops.ledger import Ledger
from tests.chain import ten_days

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
PATIENCE_MS = 40_000
# Two models of the small Airflow: a person is asked before any version of theirs serves.
ASKED = ("january_flights", "january_nights")


@dataclass(frozen=True)
class Site:
    """Where Airflow answers, and who logs in."""

    url: str
    settings: Settings
    user: str = USER

    @property
    def password(self) -> str:
        """Of the user."""
        return self.settings.password

    @property
    def api(self) -> AirflowApi:
        """Airflow's own word on what happened."""
        return AirflowApi(self.url, username=self.user, password=self.password)

    @property
    def ledger(self) -> Ledger:
        """What the loop has on record."""
        return Ledger(self.settings.ledger_url)


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Iterator[Site]:
    """The demonstration's Airflow; it is told first where none is named."""
    named = os.environ.get("MLOPS_UI_FOLDER")
    if named:
        yield _site(Path(named))
        return
    folder = tmp_path_factory.mktemp("demo")
    try:
        told = _demo("up", "--folder", folder, "--dags", ROOT / "dags")
        assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-3000:]
        yield _site(folder)
    finally:
        # A story that broke off leaves its servers running, for a person to look at.
        _demo("down", "--folder", folder).check_returncode()


def _demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "airflow_mlops.demo", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "CI": "true"}, text=True, capture_output=True)


def _site(folder: Path) -> Site:
    settings = Settings.read(folder)
    assert settings, f"In {folder} is no demonstration; make demo leaves one in .demo."
    return Site(os.environ.get("MLOPS_UI_URL", settings.airflow_url), settings)


@pytest.fixture(scope="session")
def asking_site(tmp_path_factory) -> Iterator[Site]:
    """A small Airflow of its own, without MLflow and model server, whose models ask a person before they serve."""
    dags = tmp_path_factory.mktemp("dags")
    (dags / "specs").mkdir()
    shutil.copy(ROOT / "dags" / "mlops.py", dags)
    shutil.copy(ROOT / "dags" / "specs" / "flights.suite.yaml", dags / "specs")
    for name in ASKED:
        plain = ten_days().model_dump(mode="json", by_alias=True)
        plain |= {"name": name, "approval": {"needs": ["every_change"]}}
        plain["monitor"]["asset"] = f"{name}/landed"
        plain["retrain"]["shadow"] = {"kind": "committee"}
        (dags / "specs" / f"{name}.yaml").write_text(yaml.safe_dump(plain))
    folder = tmp_path_factory.mktemp("asking")
    settings = Settings.make(
        folder,
        dags,
        preferred=(0, 0, 0),
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        # Nothing is served over HTTP, and the pages miss no server that nobody told them of.
        extra={"AIRFLOW_CONN_MODEL_SERVER_DEFAULT": ""},
    )
    stack = Stack(settings)
    try:
        stack.start(lambda _: None)
        yield Site(settings.airflow_url, settings)
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of the machine."""
    from playwright.sync_api import expect, sync_playwright

    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "No Chromium was found on the PATH; install the Debian package chromium, or name it in CHROMIUM."
    # A page takes longer than Playwright's own five seconds where its server has just started, or others use the cores.
    expect.set_options(timeout=PATIENCE_MS)
    # A container's root has no sandbox for its browser.
    switches = [*SWITCHES, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=switches)
        yield started
        started.close()


@pytest.fixture(scope="session")
def session_cookie(browser, site) -> dict[str, str]:
    """Log in once by the form, as a person does."""
    return log_in(browser, site)


@pytest.fixture(scope="session")
def asked_cookie(browser, asking_site) -> dict[str, str]:
    """Log in to the small Airflow."""
    return log_in(browser, asking_site)


def log_in(browser: Browser, site: Site) -> dict[str, str]:
    """Return the cookie that the form gives."""
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

    def keep(self, name: str, *, full: bool = True) -> None:
        """Keep a picture of the page for the docs, where a folder is named; not ``full``: of what is in sight."""
        if folder := os.environ.get("MLOPS_UI_PICTURES"):
            self.page.screenshot(path=Path(folder, f"{name}.png"), full_page=full)


@pytest.fixture(params=["light", "dark"])
def theme(request) -> str:
    """Both themes of Airflow."""
    return request.param


@pytest.fixture
def visitor(browser, site, session_cookie) -> Iterator[Visitor]:
    """Somebody who is logged in, in the light theme."""
    with visiting(browser, site, session_cookie) as visitor:
        yield visitor


@pytest.fixture
def themed(browser, site, session_cookie, theme) -> Iterator[Visitor]:
    """Somebody who is logged in, in each theme."""
    with visiting(browser, site, session_cookie, theme) as visitor:
        yield visitor


@pytest.fixture
def asked(browser, asking_site, asked_cookie) -> Iterator[Visitor]:
    """Somebody who may answer, logged in to the small Airflow."""
    with visiting(browser, asking_site, asked_cookie) as visitor:
        yield visitor


@contextlib.contextmanager
def visiting(browser: Browser, site: Site, cookie: dict[str, str], theme: str = "light") -> Iterator[Visitor]:
    """Open a browser's window of its own."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=theme)
    context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    try:
        yield _enter(context, site, cookie)
    finally:
        context.close()


def _enter(context: BrowserContext, site: Site, cookie: dict[str, str]) -> Visitor:
    context.add_cookies([cookie])
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    visitor = Visitor(page, site, [])
    page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and visitor.complaints.append(said.text))
    return visitor
