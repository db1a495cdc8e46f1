"""The page without a mouse and without eyes: keys, a name for everything, words for changes."""

from __future__ import annotations

from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser.site import Page

FOCUSED = "return document.activeElement"
RING = """
const e = document.activeElement;
const drawn = e.type === 'radio' ? e.nextElementSibling : e;
return [getComputedStyle(drawn).outlineStyle, parseFloat(getComputedStyle(drawn).outlineWidth)];
"""


def press(page: Page, *keys: str) -> None:
    ActionChains(page.browser).send_keys(*keys).perform()


def tab_to(page: Page, css: str) -> None:
    """Tab on until the element has the focus, each stop on the way being visible."""
    for _ in range(40):
        press(page, Keys.TAB)
        assert page.run(RING) == ["solid", 3]
        if page.run("return document.activeElement.matches(arguments[0])", css):
            return
    raise AssertionError(f"{css} cannot be reached")


def test_a_person_asks_votes_and_changes_the_vote_by_keyboard_alone(page: Page) -> None:
    # Given the page as it comes, nothing touched
    page.open()

    # When a person tabs to the groups, moves within them by arrows, and presses
    tab_to(page, "input[name=face_shape]")
    press(page, Keys.SPACE, Keys.ARROW_RIGHT)
    tab_to(page, "input[name=personal_color]")
    press(page, Keys.SPACE, Keys.ARROW_DOWN)
    tab_to(page, "#ask .primary")
    press(page, Keys.ENTER)
    page.settled()

    # Then what was chosen was asked for
    (asked,) = page.bodies("/recommend")
    assert (asked["face_shape"], asked["personal_color"]) == ("둥근형", "여름쿨")

    # And votes are given and changed the same way, the focus staying where it is
    tab_to(page, "[data-vote=like]")
    press(page, Keys.SPACE)
    page.settled()
    assert page.votes() == ["like", None, None]
    tab_to(page, "[data-vote=dislike]")
    press(page, Keys.ENTER)
    page.settled()
    assert page.votes() == ["dislike", None, None]
    assert page.run("return document.activeElement.dataset.vote") == "dislike"


def test_the_first_stop_skips_to_the_styles(page: Page) -> None:
    page.open()

    press(page, Keys.TAB)
    assert page.run("return document.activeElement.getBoundingClientRect().left") >= 0
    press(page, Keys.ENTER)

    assert page.run("return document.activeElement.id") == "results"


def test_asking_without_a_choice_says_what_is_missing_and_goes_there(page: Page) -> None:
    page.open()
    page.press("#ask .primary")

    assert page.text("#faces-missing") == "얼굴형을 골라 주세요"
    assert page.text("#colours-missing") == "퍼스널 컬러를 골라 주세요"
    assert page.run("return document.activeElement.name") == "face_shape"
    assert page.bodies("/recommend") == []

    page.choose("긴형", "겨울쿨")
    assert page.text("#faces-missing") + page.text("#colours-missing") == ""


def test_everything_that_can_be_pressed_has_a_name_that_says_what_it_does(page: Page) -> None:
    page.open()
    page.ask()

    nameless = [
        element.get_attribute("outerHTML")
        for element in page.every("button:not([hidden]), a, input")
        if not element.accessible_name
    ]
    assert nameless == []
    best = page.text("#styles h3")
    assert page.one("[data-vote=like]").accessible_name == f"좋아요 {best}"
    assert page.one("[data-vote=dislike]").accessible_name == f"별로예요 {best}"
    assert [group.accessible_name for group in page.every("fieldset")] == ["얼굴형", "퍼스널 컬러"]
    assert page.one("#results").accessible_name == "추천 스타일"


def test_what_changes_is_said(page: Page) -> None:
    page.open()
    page.ask()
    best, chance = page.text("#styles h3"), page.text("#styles .chance b")
    assert page.said() == f"스타일 8개를 추천합니다. 1위는 {best}, 좋아할 확률 {chance}"

    page.vote(1, "like")
    assert page.said() == f"{best}: 평가를 저장했습니다"
    assert page.one("#said").get_attribute("aria-live") == "polite"
