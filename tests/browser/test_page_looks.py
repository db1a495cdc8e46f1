"""The page on a phone and on a desk, by day and by night: it fits, it can be read and reached."""

from __future__ import annotations

import pytest

from tests.browser.site import DESK, PHONE, Page

COLOURS = ("봄웜", "여름쿨", "가을웜", "겨울쿨")
TABLET = (800, 1100)

SMALL_TARGETS = """
const shown = (e) => e.getClientRects().length && getComputedStyle(e).opacity !== '0';
const targets = [...document.querySelectorAll('button, a, input')].map(
  (e) => (e.type === 'radio' ? e.parentElement : e));
return targets.filter((e) => shown(e) && !e.matches('.skip')).map((e) => {
  const box = e.getBoundingClientRect();
  return [e.textContent.trim().slice(0, 20), box.width, box.height];
}).filter(([, width, height]) => Math.min(width, height) < 44);
"""

# The contrast of each text with what is painted behind it, as WCAG 2.2 reckons it (1.4.3).
FAINT = """
function parse(text) {
  const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
  return { rgb: [r, g, b], a };
}
function luminance({ rgb }) {
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = rgb.map((v) => linear(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}
function behind(e) {
  for (; e; e = e.parentElement) {
    const found = parse(getComputedStyle(e).backgroundColor);
    if (found.a === 1) return found;
  }
  return parse('rgb(255, 255, 255)');
}
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), faint = [];
let measured = 0;
while (texts.nextNode()) {
  const e = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
  const unseen = e.closest('script, noscript, .skip, .unseen, i');
  if (!text || !e.getClientRects().length || unseen) continue;
  measured += 1;
  const found = contrast(parse(getComputedStyle(e).color), behind(e));
  if (found < 4.5) faint.push([text.slice(0, 20), found]);
}
for (const bar of document.querySelectorAll('.bar')) {
  const drawn = parse(getComputedStyle(bar.firstElementChild).backgroundColor);
  for (const around of [behind(bar), behind(bar.parentElement)]) {
    if (contrast(drawn, around) < 3) faint.push(['bar', contrast(drawn, around)]);
  }
}
return [measured, faint];
"""
WATCH_SHIFTS = """
window.shifts = [];
const watch = (list) => list.getEntries().forEach((entry) => shifts.push(entry.value));
new PerformanceObserver(watch).observe({ type: 'layout-shift', buffered: true });
"""
SHIFTED = "return shifts.reduce((sum, value) => sum + value, 0)"
TOPS = """
const parts = [...document.querySelectorAll('h1, form, button[type=submit], #results, #model')];
return parts.map((e) => [e.id || e.tagName, e.getBoundingClientRect().top]);
"""
DRAWN = "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50, true)))"


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("size", [(320, 640), PHONE, TABLET, DESK])
def test_nothing_is_wider_than_the_window(page: Page, size: tuple[int, int], language: str) -> None:
    page.open(size)
    page.press(f"[data-language={language}]")

    for _ in range(2):  # before the first answer, and with one
        assert page.run("return document.documentElement.scrollWidth <= innerWidth")
        assert page.run("return innerWidth") == size[0]  # no phone would zoom out
        page.ask("하트형", "가을웜")


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_everything_that_is_pressed_is_large_enough_for_a_finger(
    page: Page, size: tuple[int, int]
) -> None:
    page.open(size)
    page.ask()

    assert page.every("#styles .bar")
    assert page.run(SMALL_TARGETS) == []


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_can_be_read_by_day_and_by_night(page: Page, dark: bool) -> None:
    page.open(dark=dark)

    for colour in COLOURS:
        page.ask("계란형", colour)
        measured, faint = page.run(FAINT)
        assert measured > 30
        assert faint == []


def test_night_is_darker_than_day(page: Page) -> None:
    papers = []
    for dark in (False, True):
        page.open(dark=dark)
        papers.append(page.run("return getComputedStyle(document.body).backgroundColor"))

    day, night = (sum(map(int, paper[4:-1].split(","))) for paper in papers)
    assert day > 700
    assert night < 100


@pytest.mark.parametrize("size", [PHONE, TABLET, DESK])
def test_nothing_jumps_while_the_page_and_the_answer_load(
    page: Page, size: tuple[int, int]
) -> None:
    page.open(size)
    page.run(WATCH_SHIFTS)
    page.wait(DRAWN)
    assert page.run(SHIFTED) < 0.001

    page.ask()

    page.wait(DRAWN)
    assert page.run(SHIFTED) < 0.1


@pytest.mark.parametrize("size", [PHONE, TABLET, DESK])
def test_nothing_moves_when_the_script_comes_late(page: Page, size: tuple[int, int]) -> None:
    page.open(size)
    with_it = page.run(TOPS)

    page.command("Network.enable")
    page.command("Network.setBlockedURLs", urls=["*/page.js"])
    try:
        page.browser.get(page.site.url)
        without = page.run(TOPS)
    finally:
        page.command("Network.setBlockedURLs", urls=[])

    assert page.text("#state") == "–", "the script must not have run"
    assert without == with_it


def test_who_wants_no_motion_sees_none(page: Page) -> None:
    moving = "return getComputedStyle(document.querySelector('.bar i')).transitionDuration"
    page.open(motion=True)
    page.ask()
    assert page.run(moving) == "0.5s"

    page.open(motion=False)
    page.ask()
    assert page.run(moving) == "0s"


def test_a_page_without_an_answer_and_with_one_leaves_the_console_empty_and_asks_nobody_else(
    page: Page,
) -> None:
    page.open()
    page.ask()

    assert page.console() == []
    asked = [request["url"] for request in page.requests()]
    assert len(asked) >= 5
    assert {url for url in asked if not url.startswith(("data:", page.site.url))} == set()


def test_the_pages_policy_lets_nothing_else_run(page: Page) -> None:
    page.open()

    page.run(
        "const s = document.createElement('script'); s.textContent = 'window.ran = true';"
        "document.body.append(s); document.body.setAttribute('style', 'color: red')"
    )

    assert page.run("return window.ran") is None
    assert any("Content Security Policy" in line for line in page.console())
