"""The one definition of an eligible vote, value by value."""

import hashlib
import math
import unicodedata
from datetime import UTC, datetime

import pytest

from common import feedback


def test_exactly_six_spellings_are_votes() -> None:
    likes = {text for text, vote in feedback.VOTES.items() if vote == "like"}
    dislikes = {text for text, vote in feedback.VOTES.items() if vote == "dislike"}

    assert likes == {"like", "LIKE", "good"}
    assert dislikes == {"dislike", "DISLIKE", "bad"}


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("계란형", "계란형"),
        ("둥근형", "둥근형"),
        ("각진형", "각진형"),
        ("긴형", "긴형"),
        ("하트형", "하트형"),
        (unicodedata.normalize("NFD", "하트형"), "하트형"),  # as some systems type it
        (" 긴형 ", "긴형"),
        ("역삼각형", None),  # a shape that nobody listed is the unknown face
        ("", None),
        (None, None),
    ],
)
def test_a_face_is_one_of_five_or_unknown(text: str | None, shape: str | None) -> None:
    assert feedback.face_shape(text) == shape


@pytest.mark.parametrize(
    ("colour", "tone"),
    [
        ("봄웜", "웜톤"),
        ("가을웜", "웜톤"),
        ("여름쿨", "쿨톤"),
        ("겨울쿨", "쿨톤"),
        ("봄웜톤", "웜톤"),
        ("겨울쿨톤", "쿨톤"),
        (" 가을웜 톤 ", "웜톤"),
        (unicodedata.normalize("NFD", "여름쿨"), "쿨톤"),
        ("웜톤", "중간톤"),  # a tone is no personal colour
        ("톤", "중간톤"),
        ("spring", "중간톤"),
        ("", "중간톤"),
        (None, "중간톤"),
    ],
)
def test_a_tone_derives_from_the_personal_colour(colour: str | None, tone: str) -> None:
    assert feedback.skin_tone(colour) == tone
    assert tone in feedback.SKIN_TONES


@pytest.mark.parametrize(
    "spelling",
    ["가일컷", "가일 컷", " 가일\t컷\n", "가일\u3000컷", unicodedata.normalize("NFD", "가일 컷")],
)
def test_spellings_of_one_style_share_a_key(spelling: str) -> None:
    assert feedback.style_key(spelling) == "가일컷"


def test_a_key_ignores_case_and_keeps_brackets() -> None:
    assert feedback.style_key("Two Block (Short)") == "twoblock(short)"
    assert feedback.style_key("투블럭 (짧은)") != feedback.style_key("투블럭")


@pytest.mark.parametrize("name", ["İstanbul", "Straße", "ΌΣΟΣ", "ﬁn", "가일컷", "e\u0301"])
def test_the_key_of_a_key_is_itself(name: str) -> None:
    key = feedback.style_key(name)

    assert feedback.style_key(key) == key


def test_a_display_name_is_readable() -> None:
    name = unicodedata.normalize("NFD", "  가일 \t 컷 (짧은) ")

    assert feedback.display_name(name) == "가일 컷 (짧은)"


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"style_name": "a", "style": "b", "hairstyle": "c"}, "a"),
        ({"style": "b", "hairstyle": "c"}, "b"),
        ({"hairstyle": "c"}, "c"),
        ({"style_name": None, "style": "b"}, "b"),  # there, but null
        ({"style_name": " \t", "hairstyle": "c"}, "c"),  # there, but blank
        ({"style_name": 7, "style": "b"}, None),  # present and no text: not guessed
        ({"style_name": ["a"]}, None),
        ({"name": "a"}, None),
        ({}, None),
    ],
)
def test_a_name_stands_under_the_first_present_key(
    item: dict[str, object], name: str | None
) -> None:
    assert feedback.item_name(item) == name


@pytest.mark.parametrize(
    ("item", "score"),
    [
        ({"ml_confidence": 0.1, "ml_confidence_score": 0.2, "score": 0.3}, 0.1),
        ({"ml_confidence_score": 0.2, "score": 0.3}, 0.2),
        ({"score": 0.3}, 0.3),
        ({"ml_confidence": None, "score": 0.3}, 0.3),
        ({"ml_confidence": " ", "score": 0.3}, 0.3),
        ({"ml_confidence": 0, "score": 0.3}, 0.0),  # nought is a score, not an absence
        ({}, None),
    ],
)
def test_a_score_stands_under_the_first_present_key(
    item: dict[str, object], score: float | None
) -> None:
    assert feedback.item_score(item) == (score, False)


@pytest.mark.parametrize(
    ("value", "score"),
    [(0, 0.0), (0.873, 0.873), (1, 1.0), (1.5, 0.015), (87, 0.87), (100, 1.0), (100.0, 1.0)],
)
def test_a_score_above_one_is_a_percentage(value: float, score: float) -> None:
    assert feedback.score(value) == (score, False)


@pytest.mark.parametrize(
    "value", [1.0000000000000002, 1.0000001192092896, 1.0000005, 100.00000001, 100.00005]
)
def test_a_score_above_its_bound_by_rounding_is_the_bound(value: float) -> None:
    assert feedback.score(value) == (1.0, False)


@pytest.mark.parametrize("value", [1.00001, 1.01])
def test_a_score_above_one_by_more_is_a_percentage(value: float) -> None:
    assert feedback.score(value) == (value / 100, False)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, -0.1, 100.1, 250, 10**400, True, "0.9", [1], {}]
)
def test_what_is_no_score_is_missing_and_counted(value: object) -> None:
    assert feedback.score(value) == (None, True)


def test_a_missing_score_is_nobodys_fault() -> None:
    assert feedback.score(None) == (None, False)


@pytest.mark.parametrize("value", [3, ["x"], " ", "", None])
def test_a_reason_that_is_no_text_is_none(value: object) -> None:
    assert feedback.item_reason({"reason": value}) is None
    assert feedback.item_reason({"reason": " because "}) == " because "


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.000006", datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02 12:04:05+09:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (" 2026-01-02 03:04 ", datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        ("1971-01-01T00:00:00", datetime(1971, 1, 1, tzinfo=UTC)),
        ("2999-12-30T23:59:59.5", datetime(2999, 12, 30, 23, 59, 59, 500_000, tzinfo=UTC)),
    ],
)
def test_a_time_without_an_offset_is_utc_and_others_are_converted(
    text: str, time: datetime
) -> None:
    microseconds = feedback.utc_microseconds(text)

    assert microseconds is not None
    assert microseconds == round(time.timestamp() * 1_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "0000-00-00 00:00:00",  # MySQL's zero date
        "2026-02-30 00:00:00",
        "2026-00-15 00:00:00",
        "2026-09-31 00:00:00",
        "2026-01-02",  # a day: what came after a cutoff on it cannot be told
        "1970-01-01 00:00:00",  # a clock that was never set
        "1970-12-31 23:59:59.999999",
        "1971-01-01 08:59:59+09:00",
        "2999-12-31 00:00:00",
        "9999-12-31 23:59:59",  # the end of all days
        "20260102",  # a number, not a date
        "1767323045",
        "0001-01-01T00:00:00+09:00",  # before the calendar begins
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert feedback.utc_microseconds(text) is None


@pytest.mark.parametrize(
    ("user_id", "image_hash", "identity"),
    [
        ("kim", "abc", "1|user:kim"),
        ("anonymous", "abc", "1|image:abc"),
        (None, "abc", "1|image:abc"),
        (" ", "abc", "1|image:abc"),
        ("anonymous", " ", "1|row:7"),
        (None, None, "1|row:7"),
        ("", "", "1|row:7"),
        ("Anonymous", None, "1|user:Anonymous"),  # only the default value means nobody
    ],
)
def test_a_group_is_the_person_else_the_photo_else_the_row(
    user_id: str | None, image_hash: str | None, identity: str
) -> None:
    expected = hashlib.sha256(identity.encode()).hexdigest()

    assert feedback.group(user_id, image_hash, 7) == expected


@pytest.mark.parametrize(
    ("part", "split"),
    [(0, "train"), (6_999, "train"), (7_000, "validation"), (8_499, "validation"), (8_500, "test")],
)
def test_the_split_is_the_first_eight_bytes_modulo_ten_thousand(part: int, split: str) -> None:
    first_bytes = (1_234_560_000 + part).to_bytes(8, "big").hex()

    assert feedback.split(first_bytes + "f" * 48) == split


def test_the_share_of_test_is_the_splits_own() -> None:
    sides = [feedback.split(f"{part:016x}") for part in range(feedback.SPLIT_PARTS)]

    assert sides.count("test") / len(sides) == 0.15


@pytest.mark.parametrize(
    ("user_id", "split"), [("lee", "train"), ("person-8", "validation"), ("kim", "test")]
)
def test_the_split_of_a_known_group_never_changes(user_id: str, split: str) -> None:
    # Sides of "1|user:<user_id>" that were worked out without this code.
    assert feedback.split(feedback.group(user_id, None, 0)) == split
