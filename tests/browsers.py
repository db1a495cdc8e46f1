"""The browser on this machine, as every test starts it: quiet, and asking nobody for anything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def chromium() -> str:
    """The path of the browser. There must be one: `make chromium` installs it."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, f"one of {', '.join(NAMES)} must be installed, found none: run `make chromium`"
    return found


@contextmanager
def steered(profile: Path) -> Iterator[Chrome]:
    """A browser with a profile of its own, its console and its requests written down."""
    options = ChromeOptions()
    options.binary_location = chromium()
    for word in (*QUIET, f"--user-data-dir={profile}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = shutil.which("chromedriver")  # named, so that selenium looks for none itself
    assert driver, "chromedriver must be installed: run `make chromium`"
    browser = Chrome(options=options, service=ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()
