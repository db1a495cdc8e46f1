"""Names of settings of the release before: accepted, warned of, and never beside today's."""

import json
import typing
from pathlib import Path

import pytest

from common.settings import Settings, restored
from tests.unit.test_settings import read, refusal

FORMER_YAML = "deployment: {min_test_votes: 12, worth_detecting: 0.02}"
FORMER_VARIABLES = {"RETRAIN_MIN_TEST_VOTES": "12", "RETRAIN_WORTH_DETECTING": "0.02"}


@pytest.mark.parametrize(
    "sources",
    [
        {"yaml": FORMER_YAML},
        {"environ": FORMER_VARIABLES},
        {"env_file": "\n".join(f"{name}={value}" for name, value in FORMER_VARIABLES.items())},
    ],
    ids=["yaml", "environment", "env file"],
)
def test_a_former_name_is_accepted_from_every_source_and_warned_of(
    tmp_path: Path, sources: dict[str, typing.Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert read(tmp_path, **sources) == Settings(min_test_groups=12)

    assert sorted(record.getMessage() for record in caplog.records) == [
        "min_test_votes is called min_test_groups now, got 12: rename it before the next release",
        "worth_detecting has no effect any more, got 0.02: remove it before the next release",
    ]


def test_a_value_under_its_former_name_is_checked_by_todays_rule(tmp_path: Path) -> None:
    text = refusal(tmp_path, environ={"RETRAIN_MIN_TEST_VOTES": "-1"})

    assert "min_test_votes must be at least 0, got '-1'" in text
    assert "worth_detecting must be a finite number" in refusal(
        tmp_path, yaml="deployment: {worth_detecting: much}"
    )


def test_a_former_name_stands_in_its_own_section_only(tmp_path: Path) -> None:
    text = refusal(tmp_path, yaml="data: {min_test_votes: 12}")

    assert "min_test_votes stands in data; move it to section deployment" in text


@pytest.mark.parametrize(
    "sources",
    [
        {"yaml": "deployment: {min_test_votes: 12, min_test_groups: 12}"},
        {"yaml": FORMER_YAML, "environ": {"RETRAIN_MIN_TEST_GROUPS": "15"}},
    ],
    ids=["one file", "two sources"],
)
def test_a_setting_under_both_its_names_is_refused(
    tmp_path: Path, sources: dict[str, typing.Any]
) -> None:
    text = refusal(tmp_path, **sources)

    assert text.startswith("at most one of min_test_votes and min_test_groups may be set, got 12")
    assert text.endswith("min_test_votes is the former name of min_test_groups; remove it")


def test_the_record_of_a_run_of_the_release_before_is_restored_with_defaults_for_the_rest() -> None:
    fixture = Path(__file__).parent / "fixtures" / "version_1" / "runs" / "m-first" / "run.json"
    record = json.loads(fixture.read_text("utf-8"))["settings"]
    today = Settings(half_life_days=30, gate="f1", seed=9, store_url="file:///elsewhere")

    found = restored(today, record | {"min_test_votes": 12})

    assert (found.base_rows, found.candidates, found.seed) == (300, "hierarchical", 0)
    assert (found.min_test_groups, found.half_life_days, found.gate) == (12, 0, "harm")
    assert found.store_url == "file:///elsewhere"
