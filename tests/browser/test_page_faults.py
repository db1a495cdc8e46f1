"""When something is wrong the page says what and what to do, and a second try is enough."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from task import artifact
from tests.browser.site import Page, Site, serving, voted
from tests.e2e.home import Home

IMPATIENT = (
    "const wait = setTimeout; setTimeout = (call, ms) => wait(call, ms >= 10000 ? 300 : ms);"
)
"""Before the page's own script: it gives up after 0.3 s instead of 10."""


@pytest.fixture
def own(browser: Chrome, home: Home, tmp_path: Path) -> Iterator[Page]:
    """The page of a service of its own, which a test may hurt."""
    with serving(home, tmp_path / "api.log") as site:
        yield Page(browser, site)


@contextmanager
def held(site: Site) -> Iterator[None]:
    """The service hangs meanwhile."""
    site.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        site.process.send_signal(signal.SIGCONT)


@contextmanager
def away(file: Path) -> Iterator[None]:
    """The database is gone meanwhile."""
    hidden = file.rename(file.with_suffix(".away"))
    try:
        yield
    finally:
        hidden.rename(file)


def test_while_an_answer_is_slow_the_page_says_so_and_the_latest_question_wins(own: Page) -> None:
    own.open()
    own.ask("계란형", "봄웜")

    with held(own.site):
        own.choose("긴형", "겨울쿨")
        own.press("#ask .primary")
        assert own.one("#results").get_attribute("aria-busy") == "true"
        own.choose("하트형", "가을웜")
        own.press("#ask .primary")
    own.settled()

    assert own.text("#for-whom") == "하트형 · 가을웜"
    assert own.every(".trouble") == []


def test_an_answer_that_does_not_come_is_given_up_and_can_be_asked_for_again(own: Page) -> None:
    script = own.command("Page.addScriptToEvaluateOnNewDocument", source=IMPATIENT)
    try:
        own.open()
    finally:
        own.command("Page.removeScriptToEvaluateOnNewDocument", **script)

    with held(own.site):
        own.ask()
        assert own.text(".trouble h3") == "응답이 너무 늦어 기다리기를 멈췄습니다"
    own.press(".again")
    own.settled()

    assert own.every(".trouble") == []
    assert len(own.every("#styles h3")) == 8
    assert own.run("return document.activeElement.id") == "results"


def test_a_service_that_is_gone_and_a_person_who_is_offline_are_told_apart(own: Page) -> None:
    own.open()
    offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    own.command("Network.enable")
    own.command("Network.emulateNetworkConditions", offline=True, **offline)
    try:
        own.ask()
        assert own.text(".trouble h3") == "인터넷에 연결되어 있지 않습니다"
    finally:
        own.command("Network.emulateNetworkConditions", offline=False, **offline)

    own.site.process.kill()
    own.site.process.wait()
    own.press(".again")
    own.settled()

    assert own.text(".trouble h3") == "서버에 연결할 수 없습니다"


def test_without_a_database_there_are_styles_and_no_votes_and_the_reason(
    own: Page, home: Home
) -> None:
    own.open()
    with away(home.votes):
        own.ask()

    assert len(own.every("#styles h3")) == 8
    assert own.votes() == []
    assert "평가를 받지 못합니다" in own.text("#unrecorded")
    assert "the votes' database did not take it" in own.text("#unrecorded .cause")


def test_a_vote_that_could_not_be_kept_is_not_shown_and_a_second_try_keeps_it(
    own: Page, home: Home
) -> None:
    own.open()
    own.ask()
    with away(home.votes):
        own.vote(2, "like")
        assert own.votes() == [None, None, None]
        assert own.text(".trouble h3") == "서버가 지금은 답하지 못합니다"
        assert "the votes' database must take the vote" in own.text(".facts")
        assert "try again soon" in own.text(".facts")
        assert len(own.bodies("/feedback")) == 3  # it has tried again by itself

    own.press(".again")
    own.settled()

    assert own.votes() == [None, "like", None]
    assert own.every(".trouble") == []
    assert voted(home)[0] == (None, "like", None)
    assert own.run("return document.activeElement.dataset.vote") == "like"


def test_a_service_that_wants_a_key_gets_it_until_the_tab_closes(
    browser: Chrome, home: Home, tmp_path: Path
) -> None:
    key = "a-key-of-forty-characters-for-the-writers"
    with serving(home, tmp_path / "api.log", API_KEY=key) as site:
        page = Page(browser, site)
        page.open()

        # Given a person without one: the page asks for it, and the cursor is there
        page.ask()
        assert page.text(".trouble h3") == "API 키가 필요합니다"
        assert page.run("return document.activeElement.type") == "password"

        # And with a wrong one
        page.one(".key input").send_keys("wrong")
        page.press(".key .primary")
        page.settled()
        assert page.text(".trouble h3") == "API 키가 맞지 않습니다"

        # When it is right, the styles come and votes are taken
        page.one(".key input").send_keys(key)
        page.press(".key .primary")
        page.settled()
        page.vote(1, "like")
        assert page.votes() == ["like", None, None]
        assert voted(home)[0] == ("like", None, None)

        # Then it is kept for this tab alone, and forgotten on demand
        assert page.run("return Object.values(sessionStorage)") == [key]
        assert page.run("return Object.values(localStorage)") == []
        page.press("#forget")
        assert page.run("return Object.values(sessionStorage)") == []
        page.vote(1, "dislike")
        assert page.text(".trouble h3") == "API 키가 필요합니다"
        assert key not in page.site.url + page.run("return location.href")


def test_a_model_that_must_not_serve_is_named_and_the_earlier_one_answers(
    browser: Chrome, home: Home, tmp_path: Path
) -> None:
    # Given a newer version whose table was altered after it was promoted
    active = home.registry.active()
    assert active
    assert active.version
    models = home.store / "models"
    altered = Path(shutil.copytree(models / active.version, models / "m-altered"))
    sha = artifact.sha256(altered / artifact.MANIFEST)
    home.registry.promote(
        version="m-altered",
        sha=sha,
        expected_serial=active.serial,
        action="promote",
        now=datetime.now(UTC),
    )
    table = altered / artifact.TABLE
    table.write_bytes(table.read_bytes()[:-1] + b"\0")

    # When a person asks
    with serving(home, tmp_path / "api.log") as site:
        page = Page(browser, site)
        page.open()
        page.ask()

        # Then they see which model answered, which should have, and why
        assert page.text("#version") == active.version
        assert active.version in page.text("#answered")
        assert "warned" in str(page.one("#answered").get_attribute("class"))
        assert page.text("#state").endswith("이전 모델로 답하는 중")
        assert "m-altered" in page.text("#degraded")
        assert artifact.TABLE in page.text("#degraded .cause")
        assert len(page.every("#styles h3")) == 8


def test_before_the_first_model_the_page_says_so(
    browser: Chrome, tmp_path: Path, home: Home
) -> None:
    shutil.rmtree(home.store)
    (home.folder / "registry.sqlite").unlink()
    with serving(home, tmp_path / "api.log", answers=False) as site:
        page = Page(browser, site)
        page.open()
        assert page.text("#state").endswith("아직 모델이 없음")

        page.ask()

        assert page.text(".trouble h3") == "서버가 지금은 답하지 못합니다"
        assert "none is promoted" in page.text(".facts")


def test_after_a_vote_that_failed_the_one_before_can_be_given_again(own: Page, home: Home) -> None:
    # Given a vote that was kept, and another that may or may not have been
    own.open()
    own.ask()
    own.vote(1, "like")
    with away(home.votes):
        own.vote(1, "dislike")
    assert own.votes() == ["like", None, None]
    sent = len(own.bodies("/feedback"))
    assert sent == 4

    # When the first is pressed again, it is sent again: nobody is sure of what is on record
    own.vote(1, "like")
    assert [body["feedback"] for body in own.bodies("/feedback")] == ["like"]
    assert voted(home)[0] == ("like", None, None)
