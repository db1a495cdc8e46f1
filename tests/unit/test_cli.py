"""The words of the command line: all are there, all are explained, all are settings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from common.settings import RULES
from task import cli
from task.commands import COMMANDS

WRITING = {
    *("run", "export", "prepare", "train", "evaluate", "deploy"),
    *("predict", "rollback", "resume", "promote"),
}
PROMISED = {
    "--min-feedback": "min_feedback_count",
    "--real-weight": "real_data_weight",
    "--min-improvement": "min_improvement",
    "--batch-size": "batch_size",
    "--epochs": "max_epochs",
}


def commands() -> dict[str, argparse.ArgumentParser]:
    parser = cli.parser()
    (chosen,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    found: dict[str, argparse.ArgumentParser] = chosen.choices
    return found


def options() -> Iterator[tuple[str, argparse.Action]]:
    for name, parser in commands().items():
        for action in parser._actions:
            yield f"{name} {'/'.join(action.option_strings) or action.dest}", action


def test_each_word_is_a_command_and_each_command_a_word() -> None:
    assert commands().keys() == COMMANDS.keys()


def test_every_option_says_what_it_does() -> None:
    assert [name for name, action in options() if not action.help] == []


def test_every_command_prints_json_and_those_that_write_can_be_tried_dry() -> None:
    by_command = {
        name: {option for action in parser._actions for option in action.option_strings}
        for name, parser in commands().items()
    }

    assert {name for name, words in by_command.items() if "--json" not in words} == set()
    assert {name for name, words in by_command.items() if "--dry-run" in words} == WRITING


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_ends_well_and_says_what_the_command_is_for(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse([name, "--help"])

    assert ended.value.code == 0
    assert f"python -m task {name}" in capsys.readouterr().out


@pytest.mark.parametrize(("option", "setting"), PROMISED.items())
def test_a_promised_option_sets_its_setting(option: str, setting: str) -> None:
    arguments = cli.parse(["run", option, "1"])

    assert cli.flags_of(arguments) == {setting: "1"}


def test_every_option_of_a_run_is_a_setting() -> None:
    assert {setting for setting, _ in cli.FLAGS.values()} <= RULES.keys()


def test_the_two_switches_are_settings_only_when_they_are_given() -> None:
    given = cli.parse(["run", "--no-auto-deploy", "--skip-data-check"])

    assert cli.flags_of(given) == {"auto_deploy": False, "skip_data_check": True}
    assert cli.flags_of(cli.parse(["run"])) == {}
    assert cli.flags_of(cli.parse(["status"])) == {}


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="no command"),
        pytest.param(["retrain"], id="unknown command"),
        pytest.param(["run", "--frobnicate"], id="unknown option"),
        pytest.param(["predict", "--input", "in.csv"], id="an option is missing"),
        pytest.param(["promote"], id="no version"),
        pytest.param(["rollback", "m-a", "m-b"], id="two versions"),
        pytest.param(["status", "--log-level", "LOUD"], id="not a choice"),
    ],
)
def test_wrong_words_end_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse(words)

    assert ended.value.code == 2
    assert "usage: python -m task" in capsys.readouterr().err
