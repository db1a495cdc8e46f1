"""A person picks, sees, likes, changes their mind: what the page shows and what it sends."""

from __future__ import annotations

import pytest

from tests.browser.conftest import HOSTILE
from tests.browser.site import PHONE, Page, voted
from tests.e2e.home import Home

FACE, COLOUR = "둥근형", "여름쿨"
KOREAN_WORDS = """
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
while (walker.nextNode()) {
  const { textContent, parentElement } = walker.currentNode;
  if (/[가-힣]/.test(textContent) && !parentElement.closest('noscript')) found.push(textContent);
}
return found;
"""


def test_a_person_sees_the_best_styles_first_as_the_service_ranks_them(page: Page) -> None:
    # Given what the service answers
    asked = {"face_shape": FACE, "personal_color": COLOUR, "k": 8, "record": False}
    items = page.site.post("recommend", asked)["items"]

    # When a person asks for the same
    page.open()
    page.ask(FACE, COLOUR)

    # Then that is what they see, with bars as long as the chances
    assert [row.text for row in page.every("#styles h3")] == [item["style"] for item in items]
    chances = [f"{item['like_probability']:.0%}" for item in items]
    assert [row.text for row in page.every(".chance b")] == chances
    widths = page.run("return [...document.querySelectorAll('.bar i')].map((e) => e.style.width)")
    assert widths == chances
    assert page.text("#for-whom") == f"{FACE} · {COLOUR}"


def test_a_person_sees_which_model_answers_and_since_when(page: Page) -> None:
    model = page.site.get("model")
    page.open()

    assert page.text("#version") == model["version"]
    assert page.text("#state").endswith("정상")
    assert page.text("#since").startswith(f"{model['since'][:4]}. ")
    page.ask()
    assert page.text("#answered") == f"{model['version']} 모델의 답"


def test_a_vote_is_shown_and_kept_and_another_replaces_it(page: Page, shared_home: Home) -> None:
    page.open()
    page.ask()
    assert page.votes() == [None, None, None]

    page.vote(1, "like")
    page.vote(2, "dislike")
    assert page.votes() == ["like", "dislike", None]
    assert voted(shared_home)[0] == ("like", "dislike", None)

    page.vote(1, "dislike")
    assert page.votes() == ["dislike", "dislike", None]
    assert voted(shared_home)[0] == ("dislike", "dislike", None)


def test_only_what_the_table_has_room_for_can_be_voted_on(page: Page) -> None:
    page.open()
    page.ask()

    assert len(page.every("#styles h3")) == 8
    assert [len(row.find_elements("tag name", "button")) for row in page.every("#styles > li")] == [
        *(2, 2, 2),  # the table has three columns
        *(0,) * 6,  # a line between, and the rest
    ]


def test_the_same_vote_again_is_not_sent_again(page: Page) -> None:
    page.open()
    page.ask()
    page.vote(1, "like")
    page.vote(1, "like")

    assert len(page.bodies("/feedback")) == 1


def test_a_double_click_asks_once(page: Page, shared_home: Home) -> None:
    before = len(voted(shared_home))
    page.open()
    page.choose(FACE, COLOUR)
    page.run("for (const _ of [1, 2, 3]) document.querySelector('#ask .primary').click()")
    page.settled()

    assert len(page.bodies("/recommend")) == 1
    assert len(voted(shared_home)) == before + 1


def test_quick_presses_end_with_the_last_wish(page: Page, shared_home: Home) -> None:
    page.open()
    page.ask()
    page.run(
        "for (const vote of ['like', 'dislike', 'like', 'dislike'])"
        " document.querySelector(`[data-vote=${vote}]`).click()"
    )
    page.settled()

    assert page.votes() == ["dislike", None, None]
    assert voted(shared_home)[0] == ("dislike", None, None)
    assert len(page.bodies("/feedback")) <= 2


def test_a_style_that_is_called_like_a_script_is_text(page: Page) -> None:
    page.open()
    page.ask()

    assert HOSTILE in [row.text for row in page.every("#styles h3")]
    assert page.every("main img, main script") == []
    assert page.console() == []


def test_looking_for_photos_is_a_click_of_the_person_and_is_told(page: Page) -> None:
    page.open()
    page.ask()
    link = page.one(".look[target]")
    assert link.get_attribute("rel") == "noopener noreferrer"
    assert str(link.get_attribute("href")).startswith("https://search.naver.com/search.naver?")

    # The person's own way there is not gone, only what the page itself sends is looked at.
    page.run("document.addEventListener('click', (e) => e.preventDefault())")
    page.press(".look[target]")
    page.wait("true")

    (told,) = page.bodies("/feedback")
    assert (told["position"], told["feedback"]) == (1, "click")


@pytest.mark.parametrize("size", [PHONE, None])
def test_english_is_one_press_away_and_loses_nothing(
    page: Page, size: tuple[int, int] | None
) -> None:
    # Given an answer with a vote
    page.open(*([size] if size else []))
    page.ask(FACE, COLOUR)
    page.vote(1, "like")
    styles = [row.text for row in page.every("#styles h3")]

    # When the language is changed
    page.press("[data-language=en]")

    # Then every word of the page is English, and the styles and the vote are still there
    assert page.run("return document.documentElement.lang") == "en"
    assert "Hairstyles" in page.browser.title
    assert page.text("#for-whom") == "Round · Summer cool"
    assert page.votes() == ["like", None, None]
    assert [row.text for row in page.every("#styles h3")] == styles
    words = page.run(KOREAN_WORDS)
    assert [word for word in words if word not in {*styles, "한국어"}] == []

    # And the next visit is in English too
    page.reload()
    assert page.run("return document.documentElement.lang") == "en"
