"""The service as a process and its page in a browser: what a person has, to be tested with."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.home import PATIENCE, Home, until

PHONE, DESK = (360, 740), (1200, 900)
EMPTY = "about:blank"


@dataclass(frozen=True, kw_only=True)
class Site:
    """A running service."""

    url: str
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
            return json.load(answer)

    def post(self, path: str, body: object) -> Any:
        """The JSON that answers a body."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)


@contextmanager
def serving(home: Home, log: Path, *, answers: bool = True, **changes: str) -> Iterator[Site]:
    """`python -m api` on a loop's home, ready to answer. `changes` are of its environment.

    Without `answers` there is no model to wait for.
    """
    command = [sys.executable, "-m", "api", "--port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=home.folder, env=home.environment(changes), stderr=out
        )
    try:
        until(lambda: b"listening" in log.read_bytes() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        lines = map(json.loads, log.read_text().splitlines())
        port = next(line["port"] for line in lines if line["message"] == "listening")
        site = Site(url=f"http://127.0.0.1:{port}/", process=process)
        until(lambda: not answers or site.get("model")["version"] is not None)
        yield site
    finally:
        process.kill()
        process.wait()


class Page:
    """The page as a person sees it: what is pressed, and what is then to be read."""

    def __init__(self, browser: Chrome, site: Site) -> None:
        self.browser = browser
        self.site = site

    def open(
        self,
        size: tuple[int, int] = DESK,
        *,
        dark: bool = False,
        motion: bool = False,
    ) -> None:
        """Load it in a window of this size, as if nobody had been here before."""
        self.browser.get(EMPTY)
        self.command("Storage.clearDataForOrigin", origin=self.site.url, storageTypes="all")
        media = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "no-preference" if motion else "reduce",
        }
        features = [{"name": name, "value": value} for name, value in media.items()]
        self.command("Emulation.setEmulatedMedia", features=features)
        self.resize(size)
        self._log("browser")
        self._log("performance")
        self.reload()

    def reload(self) -> None:
        self.browser.get(self.site.url)
        self.wait("document.getElementById('state').textContent !== '–'")

    def resize(self, size: tuple[int, int]) -> None:
        width, height = size
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=size == PHONE,
        )

    def command(self, name: str, **arguments: object) -> Any:
        """One command of the browser's own protocol."""
        return self.browser.execute_cdp_cmd(name, arguments)

    def choose(self, face: str, colour: str) -> None:
        for value in (face, colour):
            self.browser.execute_script(
                "document.querySelector(`input[value='${arguments[0]}']`).click()", value
            )

    def press(self, css: str) -> None:
        self.one(css).click()

    def ask(self, face: str = "둥근형", colour: str = "봄웜") -> None:
        """Ask, and wait for the answer or for what went wrong."""
        self.choose(face, colour)
        self.press("#ask .primary")
        self.settled()

    def settled(self) -> None:
        """Until nothing is on its way."""
        self.wait("!document.querySelector('[aria-busy=true]')")

    def vote(self, position: int, vote: str) -> None:
        self.press(f"#styles > li:nth-child({position}) [data-vote={vote}]")
        self.settled()

    def wait(self, true: str) -> None:
        """Until an expression of the page is true."""
        until(lambda: bool(self.run(f"return {true}")))

    def run(self, script: str, *arguments: object) -> Any:
        return self.browser.execute_script(script, *arguments)

    def one(self, css: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def every(self, css: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def text(self, css: str) -> str:
        return self.one(css).text

    def said(self) -> str:
        """What the screen reader was told last."""
        return str(self.run("return document.getElementById('said').textContent"))

    def votes(self) -> list[str | None]:
        """The vote that is shown at each style that can be voted on."""
        rows = self.every(".votes")
        pressed = [row.find_elements(By.CSS_SELECTOR, "[aria-pressed=true]") for row in rows]
        return [found[0].get_attribute("data-vote") if found else None for found in pressed]

    def console(self) -> list[str]:
        """What the browser complained of since the page was opened."""
        return [str(entry["message"]) for entry in self._log("browser")]

    def requests(self) -> list[dict[str, Any]]:
        """What was asked of whom since it was opened, the newest last."""
        events = (json.loads(e["message"])["message"] for e in self._log("performance"))
        return [
            event["params"]["request"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        """What was written down since it was last asked for."""
        found: list[dict[str, Any]] = self.browser.get_log(kind)  # type: ignore[no-untyped-call]
        return found

    def bodies(self, path: str) -> list[Any]:
        """What was sent to a path since it was opened."""
        found = [request for request in self.requests() if request["url"].endswith(path)]
        return [json.loads(request["postData"]) for request in found]


def voted(home: Home) -> list[tuple[str | None, ...]]:
    """The three votes of each row that was recommended, the newest first."""
    columns = ", ".join(f"style_{i}_feedback" for i in (1, 2, 3))
    with closing(sqlite3.connect(home.votes)) as table:
        return table.execute(
            f"SELECT {columns} FROM analysis_history "
            "WHERE recommended_styles LIKE '%\"model_version\"%' ORDER BY id DESC"
        ).fetchall()
