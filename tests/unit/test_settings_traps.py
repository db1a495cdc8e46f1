"""Settings that are read otherwise than they were meant are errors, not other settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.settings import Settings
from tests.unit.test_settings import read, refusal

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        (
            "data:\n  base_rows: 1\ntraining:\n  seed: 1\ndata:\n  base_rows: 2\n",
            "'data' at line 1 and at line 5",
        ),
        ("data:\n  base_rows: 1\n  base_rows: 1\n", "'base_rows' at line 2 and at line 3"),
        ("data: {base_rows: 1, base_rows: 2}\n", "'base_rows' at line 1 and at line 1"),
        ('data:\n  base_rows: 1\n  "base_rows": 2\n', "'base_rows' at line 2 and at line 3"),
    ],
)
def test_a_key_or_section_that_is_given_twice_is_an_error(
    tmp_path: Path, yaml: str, says: str
) -> None:
    text = refusal(tmp_path, yaml=yaml)

    assert "settings.yaml: each name must stand once, got" in text
    assert says in text


@pytest.mark.parametrize("number", ["010", "-010", "00", "0_7", "1:30", "1:30:00", "1:30.5"])
def test_a_number_that_yaml_reads_in_another_base_is_an_error(tmp_path: Path, number: str) -> None:
    text = refusal(tmp_path, yaml=f"data:\n  base_rows: {number}\n")

    assert "must be written as digits alone" in text
    assert "at line 2" in text


@pytest.mark.parametrize(("text", "number"), [("1_000", 1_000), ("0", 0), ("0x1F", 31)])
def test_other_numbers_of_yaml_mean_what_they_seem_to(
    tmp_path: Path, text: str, number: int
) -> None:
    assert read(tmp_path, yaml=f"data: {{base_rows: {text}}}").base_rows == number


def test_an_env_file_may_set_ours_once_and_others_as_it_likes(tmp_path: Path) -> None:
    assert read(tmp_path, env_file="OTHER=1\nOTHER=2\nRETRAIN_SEED=3\n") == Settings(seed=3)

    text = refusal(tmp_path, env_file=f"DB_PASSWORD={SECRET}\nDB_PASSWORD={SECRET}2\n")

    assert "DB_PASSWORD must stand once, got 2 lines of it" in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("section", "name", "meant"),
    [
        ("data", "min_feedback", "did you mean min_feedback_count?"),
        ("data", "real_weight", "did you mean real_data_weight?"),
        ("training", "epochs", "did you mean max_epochs?"),
        ("training", "random_seed", "did you mean seed?"),
        ("deployment", "min_test_vote", "did you mean min_test_groups?"),
        ("deployment", "worth_detectin", "remove it"),
    ],
)
def test_a_name_of_before_is_answered_with_that_of_today(
    tmp_path: Path, section: str, name: str, meant: str
) -> None:
    in_yaml = refusal(tmp_path, yaml=f"{section}: {{{name}: 1}}")
    in_environment = refusal(tmp_path, environ={f"RETRAIN_{name.upper()}": "1"})

    assert f"{section} has no setting {name!r}; {meant}" in in_yaml
    assert meant.split()[-1].upper().strip("?") in in_environment.upper()


def test_the_line_break_at_a_secrets_end_is_not_the_secrets(tmp_path: Path) -> None:
    environ = {"DB_PASSWORD": " with blanks \r\n", "API_KEY": "0123456789abcdef\n"}

    found = read(tmp_path, environ=environ)

    assert (found.db_password, found.api_key) == (" with blanks ", "0123456789abcdef")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("'mysql://me@db.example/hairme'", "quotes around it"),
        ('"mysql://me@db.example/hairme', "quotes around it"),
        ("“mysql://me@db.example/hairme”", "quotes around it"),
        (" mysql://me@db.example/hairme", "blanks around it"),
        ("sqlite:///votes.db ", "blanks around it"),
        ("mysql://me@db.example/hair me", "a blank in it"),
        ("mysql://me@db.example/hairme/", "a slash at its end"),
        ("sqlite:///votes.db/", "a slash at its end"),
    ],
)
def test_what_copying_added_to_an_address_is_told(tmp_path: Path, address: str, says: str) -> None:
    text = refusal(tmp_path, environ={"DATABASE_URL": address})

    assert f"database_url must be an address and nothing else, got {says}" in text
    assert "(DATABASE_URL in the environment)" in text


@pytest.mark.parametrize("address", ["file:///a folder/store/", "s3://bucket/prefix/"])
def test_a_folder_may_end_in_a_slash_and_hold_blanks(tmp_path: Path, address: str) -> None:
    assert read(tmp_path, environ={"STORE_URL": address}).store_url == address
