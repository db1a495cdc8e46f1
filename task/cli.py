"""The words of the command line, and how flags become settings.

Values stay text here: the settings check them all in one place, with rule, value and remedy.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

FLAGS: Mapping[str, tuple[str, str]] = {
    "--min-feedback": ("min_feedback_count", "skip below so many known votes"),
    "--min-new-feedback": ("min_new_feedback", "skip below so many votes since the last verdict"),
    "--real-weight": ("real_data_weight", "weight of a real vote against a base row"),
    "--base-csv": ("base_csv", "base data from this CSV file"),
    "--candidates": ("candidates", "auto, hierarchical or embedding"),
    "--batch-size": ("batch_size", "cells in a batch of the network"),
    "--epochs": ("max_epochs", "epochs of the network at most"),
    "--half-life-days": ("half_life_days", "a vote so much older than the cutoff counts half"),
    "--window-days": ("window_days", "older votes are not learned from"),
    "--seed": ("seed", "seed of every random draw"),
    "--gate": ("gate", "what a promotion needs: harm, superiority or f1"),
    "--min-improvement": ("min_improvement", "F1 that a challenger must be better by"),
    "--work-dir": ("work_dir", "folder of the runs in progress"),
}
"""Option → (setting, help)."""

ENV_FILE = ".env"

STAGES: Mapping[str, str] = {
    "export": "read, validate and split the votes",
    "prepare": "encode the votes and the base data into cells",
    "train": "train the candidates and choose one",
    "evaluate": "compare with the champion, and decide",
    "deploy": "publish and promote what was decided",
}


def parser() -> argparse.ArgumentParser:
    """The parser of `python -m task`."""
    top = argparse.ArgumentParser(
        prog="python -m task",
        description="Votes in, a proven model out. See README.md for the whole story.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = _command(commands, "run", "the whole run: export, prepare, train, evaluate, deploy")
    _training_flags(run)
    run.add_argument("--run-id", help="the run's id (default: made from the time)")
    run.add_argument(
        "--launched", action="store_true", help="a trigger has launched --run-id: claim it only"
    )
    run.add_argument("--full", action="store_true", help="read all votes, not only what changed")
    _dry_run(run)
    for name, says in STAGES.items():
        stage = _command(commands, name, says)
        _training_flags(stage)
        _dry_run(stage)
        if name == "export":
            stage.add_argument("--full", action="store_true", help="read all votes again")
            stage.add_argument("--run", help="the new run's id (default: made from the time)")
        else:
            stage.add_argument("--run", help="the run to go on with (default: the newest)")
    _backtest(commands)
    _operator(commands)
    return top


def flags_of(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings that were given as options."""
    given = vars(arguments)
    flags = {setting: given.get(setting) for setting, _ in FLAGS.values()}
    flags["auto_deploy"] = False if given.get("no_auto_deploy") else None
    flags["skip_data_check"] = True if given.get("skip_data_check") else None
    return {name: value for name, value in flags.items() if value is not None}


def _backtest(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    made = _command(commands, "backtest", "try policies on the past votes, week by week")
    made.add_argument("--from", dest="start", metavar="DAY", help="first look (default: 1st vote)")
    made.add_argument("--to", dest="end", metavar="DAY", help="last day (default: last vote's)")
    made.add_argument(
        "--policy",
        action="append",
        default=[],
        metavar="FILE",
        help="settings to try: sections data, training, deployment; may be given several times",
    )
    made.add_argument("--every", default="1", metavar="WEEKS", help="weeks from look to look")
    made.add_argument("--snapshot", metavar="FILE", help="a votes.parquet (default: the database)")
    made.add_argument("--truth", metavar="FILE", help="the .npz with a simulated world's truth")
    made.add_argument("--output", metavar="FOLDER", help="write backtest.html and .json there")


def _operator(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    predict = _command(commands, "predict", "score a CSV file of face, tone and hairstyle")
    predict.add_argument("--input", required=True, help="CSV with face_shape,skin_tone,hairstyle")
    predict.add_argument("--output", required=True, help="CSV to write")
    predict.add_argument("--version", help="model version (default: the active one)")
    _dry_run(predict)
    _command(commands, "doctor", "check the four addresses before the first run")
    status = _command(commands, "status", "what is active, on hold, running")
    status.add_argument(
        "--at",
        metavar="TIME",
        help="which version was live then, and why (ISO 8601; UTC without a zone)",
    )
    history = _command(commands, "history", "runs and promotions, F1 over time")
    history.add_argument("--export", metavar="FILE", help="also write deployment_history.json")
    rollback = _command(commands, "rollback", "go back to a version, and hold promotion")
    rollback.add_argument("version", nargs="?", metavar="VERSION", help="default: the one before")
    _dry_run(rollback)
    _dry_run(_command(commands, "resume", "let runs promote again after a rollback"))
    promote = _command(commands, "promote", "put a published version into service")
    promote.add_argument("version", metavar="VERSION", help="a published version")
    _dry_run(promote)
    replay = _command(commands, "replay", "retrain a run from its snapshot and compare")
    replay.add_argument("run_id", metavar="RUN_ID", help="a run that trained a model")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, says: str
) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=says, description=says[0].upper() + says[1:] + ".")
    made.add_argument("--config", metavar="FILE", help="settings file (default: settings.yaml)")
    made.add_argument("--env-file", metavar="FILE", default=ENV_FILE, help="default: .env")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    made.add_argument("--log-level", default="INFO", choices=levels, help="default: INFO")
    return made


def _dry_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dry-run", action="store_true", help="say what would be done, only")


def _training_flags(command: argparse.ArgumentParser) -> None:
    for option, (setting, says) in FLAGS.items():
        command.add_argument(option, dest=setting, metavar="VALUE", help=says)
    command.add_argument("--no-auto-deploy", action="store_true", help="publish, do not promote")
    command.add_argument(
        "--skip-data-check", action="store_true", help="skip the vote minimum, never validation"
    )


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments. Wrong usage ends the process with status 2, as argparse does."""
    return parser().parse_args(argv)
