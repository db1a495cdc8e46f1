"""Vocabularies: a name gets its own code or the unknown one, never another name's."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.feedback import FACE_SHAPES, NEUTRAL, style_key
from task import features
from task.features import TONES, UNKNOWN, Vocabulary
from tests.learning import vocabulary

NAMES = st.lists(st.text(min_size=1).filter(style_key), unique_by=style_key, max_size=8)


@settings(max_examples=60, deadline=None)
@given(learned=NAMES, asked=st.text())
def test_a_style_that_was_not_learned_is_the_unknown_class_and_never_another_style(
    learned: list[str], asked: str
) -> None:
    known = vocabulary(*learned)

    code = known.style(asked)

    assert known.styles[code] == (style_key(asked) if style_key(asked) in known.styles else UNKNOWN)
    assert known.styles.index(UNKNOWN) == 0


def test_every_spelling_of_a_style_is_that_style() -> None:
    known = vocabulary("가일 컷", "Two-Block")

    spellings = ("가일컷", "가 일컷 ", unicodedata.normalize("NFD", "가일 컷"))
    assert {known.style(name) for name in spellings} == {known.styles.index("가일컷")}
    assert known.style("TWO-BLOCK") == known.styles.index("two-block")
    assert known.names[known.style("가일컷")] == "가일 컷"


@pytest.mark.parametrize(
    "name, code",
    [
        (None, 0),  # the application did not recognise the face
        ("", 0),
        ("별형", 0),  # a face that nobody has defined
        ("둥근형", 1 + sorted(FACE_SHAPES).index("둥근형")),
    ],
)
def test_a_face_that_was_not_learned_is_the_unknown_face(name: str | None, code: int) -> None:
    assert vocabulary().face(name) == code


def test_a_tone_that_is_none_is_the_neutral_one() -> None:
    known = vocabulary()

    assert known.tones[0] == NEUTRAL
    assert [known.tone(name) for name in (*TONES, None, "", "형광톤")] == [0, 1, 2, 0, 0, 0]


def test_the_order_of_names_does_not_depend_on_the_order_in_which_they_were_met() -> None:
    names = ["다", "가", "나"]

    assert vocabulary(*names) == vocabulary(*reversed(names))
    assert vocabulary(*names).styles == (UNKNOWN, "가", "나", "다")
    assert vocabulary(faces=["b", "a"]).faces == vocabulary(faces=["a", "b", "", "a"]).faces


def test_translation_goes_by_name_and_sends_what_the_other_does_not_know_to_unknown() -> None:
    ours = vocabulary("a", "b", "c", faces=["계란형", "긴형"])
    theirs = vocabulary("b", "c", "d", faces=["긴형"])

    face, tone, style = ours.translate(theirs)

    assert [theirs.styles[code] for code in style] == [UNKNOWN, UNKNOWN, "b", "c"]
    assert [theirs.faces[code] for code in face] == [UNKNOWN, UNKNOWN, "긴형"]
    assert tone.tolist() == [0, 1, 2]


def test_a_restricted_vocabulary_keeps_the_marked_names_the_unknown_ones_and_every_tone() -> None:
    whole = vocabulary("A a", "b", "c", faces=["계란형", "긴형"])

    part = whole.restrict(np.array([False, False, True]), np.array([True, True, False, True]))

    assert part.faces == (UNKNOWN, "긴형")
    assert part.styles == (UNKNOWN, "aa", "c")
    assert part.names == (UNKNOWN, "A a", "c")
    assert part.tones == TONES
    assert part.sizes == (2, 3, 3)


@settings(max_examples=30, deadline=None)
@given(names=NAMES)
def test_a_vocabulary_comes_back_from_its_file_form(names: list[str]) -> None:
    known = vocabulary(*names)

    assert features.from_dict(known.as_dict()) == known


@pytest.mark.parametrize(
    "changed",
    [
        {"faces": ["계란형"]},  # no unknown face: code 0 would be a real one
        {"styles": ["a", "b"], "names": ["a", "b"]},  # no unknown style
        {"styles": ["", "a", "a"], "names": ["", "a", "a"]},  # two codes for one style
        {"names": [""]},  # a style without a name
        {"tones": []},
    ],
)
def test_parts_that_make_no_vocabulary_are_refused(changed: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="must"):
        features.from_dict(vocabulary("a").as_dict() | changed)


def test_a_missing_part_of_a_vocabulary_is_named() -> None:
    parts = vocabulary("a").as_dict()
    del parts["tones"]

    with pytest.raises(KeyError, match="tones"):
        features.from_dict(parts)


def test_sizes_follow_from_the_names_alone() -> None:
    assert vocabulary(*(f"style {i}" for i in range(10_000))).sizes == (6, 3, 10_001)
    assert Vocabulary(faces=("",), tones=("t",), styles=("",), names=("",)).sizes == (1, 1, 1)
