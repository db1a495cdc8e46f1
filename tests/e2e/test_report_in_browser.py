"""A real browser shows the report: nothing too wide, no error, no request, nobody's script.

One start of headless Chromium shows every page in frames of a phone's and a desk's width. The
pages are left as they are (their content policy forbids script); a script of the surrounding
page looks into the frames and writes down what it measured.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
from typing import Any

import pytest

from task import report
from tests.browsers import QUIET, chromium
from tests.unit import report_samples as samples

PHONE, DESK = 390, 1200
SAMPLES = [make.__name__ for make in samples.EVERY]
LOGGED = ["--window-size=1300,900", "--enable-logging=stderr"]

MEASURE = """
function measure(frame) {
  const page = frame.contentDocument, width = frame.clientWidth;
  page.querySelectorAll('details').forEach(e => { e.open = true; });
  const tables = [...page.querySelectorAll('.table')];
  const wide = [...page.body.querySelectorAll('*')].filter(e => !e.closest('.skip, .unseen')
    && (e.getBoundingClientRect().right > width + 0.5 || e.getBoundingClientRect().left < -0.5));
  return {
    width: page.documentElement.scrollWidth,
    wide: wide.map(e => e.tagName + '.' + e.getAttribute('class')),
    scrolled: tables.filter(e => e.scrollWidth > e.clientWidth).length,
    height: page.documentElement.scrollHeight,
    heading: page.querySelector('h1').textContent,
    shown: frame.contentWindow.getComputedStyle(page.body).display,
    active: page.querySelectorAll('script, img, link, iframe').length,
    requests: frame.contentWindow.performance.getEntriesByType('resource').length,
  };
}
addEventListener('load', () => {
  const found = {};
  for (const frame of document.querySelectorAll('iframe')) found[frame.id] = measure(frame);
  document.querySelector('pre').textContent = JSON.stringify(found);
  console.log('measured');
});
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str]]:
    """What was measured in each frame (`promoted-390`), and the lines of the console."""
    folder = tmp_path_factory.mktemp("browser")
    page = folder / "frames.html"
    page.write_text(_frames(), encoding="utf-8")
    command = [chromium(), *QUIET, *LOGGED, f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, page.as_uri()], capture_output=True, text=True, timeout=90, check=True
    )
    found = re.search(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(found[1])), console


def _frames() -> str:
    frames = []
    for name in SAMPLES:
        page = html.escape(report.render(*getattr(samples, name)()), quote=True)
        for width in (PHONE, DESK):
            style = f"width:{width}px;height:800px;border:0"
            frames.append(f'<iframe id="{name}-{width}" style="{style}" srcdoc="{page}"></iframe>')
    return f"<!doctype html><pre></pre>{''.join(frames)}<script>{MEASURE}</script>"


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_is_wider_than_the_window(
    seen: tuple[dict[str, Any], list[str]], name: str, width: int
) -> None:
    measured = seen[0][f"{name}-{width}"]

    assert measured["wide"] == []
    assert measured["width"] == width
    assert measured["scrolled"] == 0  # no table needs to be pushed aside to be read
    assert measured["height"] > 800


def test_the_console_stays_empty(seen: tuple[dict[str, Any], list[str]]) -> None:
    (only,) = seen[1]

    assert "measured" in only  # our own line: the console was listened to


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_is_fetched_and_nothing_acts(
    seen: tuple[dict[str, Any], list[str]], name: str
) -> None:
    measured = seen[0][f"{name}-{DESK}"]

    assert (measured["requests"], measured["active"]) == (0, 0)
    assert measured["shown"] == "block"  # no name's style sheet hid the page
    assert measured["heading"]
