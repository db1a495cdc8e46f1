"""A loop that has learned from a few votes, its service, and one browser for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from local.table import create_sqlite
from tests.browser.site import Page, Site, serving
from tests.browsers import steered
from tests.e2e import rows
from tests.e2e.conftest import FIRST_VOTES, WORLD, vote
from tests.e2e.home import Home

HOSTILE = "<img src=x onerror=alert(1)>"
"""A style that everybody likes, so that it is recommended."""
FANS = range(120)


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Votes, and a first model that was learned from them."""
    home = Home(tmp_path_factory.mktemp("learned"))
    create_sqlite(home.votes).close()
    vote(home, WORLD, FIRST_VOTES, seed=1, since=timedelta(days=30))
    named = {"recommended_styles": rows.styles(HOSTILE), "style_1_feedback": "like"}
    rows.write(home, (rows.plain(number, **named) for number in FANS))
    done = home.run()
    assert (done.exit, done.state) == (0, "promoted"), done
    return home


@pytest.fixture
def home(learned: Home, tmp_path: Path) -> Home:
    """A loop of one's own."""
    return learned.copy(tmp_path / "home")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One browser; each test opens the page as if it were the first."""
    with steered(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="session")
def shared_home(learned: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The home of the shared service: only votes are added to it."""
    return learned.copy(tmp_path_factory.mktemp("shared") / "home")


@pytest.fixture(scope="session")
def shared_site(shared_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service for the tests that do no harm."""
    with serving(shared_home, tmp_path_factory.mktemp("log") / "api.log") as site:
        yield site


@pytest.fixture
def page(browser: Chrome, shared_site: Site) -> Page:
    """The page of the shared service, not opened yet."""
    return Page(browser, shared_site)
