"""The page of the two functions says what they answer now."""

from retrain_trigger.request import KEYS
from tests.architecture.trigger_page import FULL, PATH, page


def test_the_page_is_what_the_functions_answer_now() -> None:
    # If not: python -m tests.architecture.trigger_page
    assert PATH.read_text(encoding="utf-8") == page()


def test_the_page_explains_every_key_and_shows_each_in_an_example() -> None:
    text = PATH.read_text(encoding="utf-8")

    assert set(KEYS) == set(FULL)
    for key in KEYS:
        assert f"| `{key}` |" in text
