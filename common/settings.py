"""Every setting of the loop: its default, its bounds, and where it may be set.

    settings = load(yaml_path=Path("settings.yaml"), env_file=Path(".env"),
                    environ=os.environ, flags={"min_improvement": 0.01})
    (database_url,) = require(settings, "database_url")

Later sources win: YAML, `.env`, environment, flags. They are read once, here, into one typed,
frozen object; everything else takes values. Flat rather than nested by section: names are unique,
so a flag, a variable and a field are the same word.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from common.errors import UsageError
from common.former_settings import accepted, renamed, settled
from common.setting_rules import PAGE, Rule, checked
from common.setting_sources import environment_name, from_env_file, from_variables, from_yaml

log = logging.getLogger(__name__)

CREDENTIALS = ("db_password", "db_secret_arn", "db_iam_auth")
API_KEYS = ("api_key", "api_key_secret_arn")


def _setting(default: object, section: str, says: str, **rule: Any) -> Any:
    """A dataclass field that carries its `Rule`; only text can be left out (default None)."""
    kind = str if default is None else type(default)
    made = Rule(section=section, kind=kind, optional=default is None, says=says, **rule)
    return dataclasses.field(default=default, repr=not made.secret, metadata={"rule": made})


def _count(default: int, section: str, says: str, **rule: Any) -> Any:
    return _setting(default, section, says, **{"at_least": 0, "at_most": 1_000_000_000, **rule})


def _share(default: float, section: str, says: str, **rule: Any) -> Any:
    bounds = {"at_least": 0.0, "at_most": 1.0, "unit": "share", "why": "it is a share of 1"}
    return _setting(default, section, says, **{**bounds, **rule})


def _floor(metric: str) -> Any:
    says = f"the challenger's {metric} on votes held out must reach this"
    why = f"{metric} is between 0 and 1"
    return _setting(0.0, "deployment", says, unit=metric, at_least=0.0, at_most=1.0, why=why)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, checked when made: a wrong value raises `UsageError` (exit 2)."""

    database_url: str | None = _setting(
        None, "addresses", "where the votes are: `mysql://…` or `sqlite:///…`, without a password"
    )
    store_url: str | None = _setting(
        None, "addresses", "where model versions are kept: `file:///…` or `s3://bucket/prefix`"
    )
    registry_url: str | None = _setting(
        None, "addresses", "runs, lease and active version: `sqlite:///…` or `dynamodb://table`"
    )
    serving_url: str | None = _setting(
        None,
        "addresses",
        "who serves the model: `none`, `http://127.0.0.1:PORT` or `ecs://cluster/service`",
    )
    service_url: str | None = _setting(
        None,
        "addresses",
        "the service's load balancer, `http://…` or `https://…`: its answers are proved there too",
    )
    api_key: str | None = _setting(
        None, "addresses", "what callers of the API must show to write", secret=True
    )
    api_key_secret_arn: str | None = _setting(
        None,
        "addresses",
        "instead of a key: the Secrets Manager secret that holds it, read at run time",
        unit="ARN",
    )
    db_password: str | None = _setting(
        None, "addresses", "the database password; never in YAML or a URL", secret=True
    )
    db_secret_arn: str | None = _setting(
        None,
        "addresses",
        "instead of a password: the Secrets Manager secret that holds it, read at run time",
        unit="ARN",
    )
    db_iam_auth: bool = _setting(
        False,
        "addresses",
        "instead of a password: an RDS IAM token, made at run time; needs `DB_CA`",
    )
    db_ca: str | None = _setting(
        None,
        "addresses",
        "CA file that vouches for a MySQL server on another host; `rds`: Amazon's own, built in",
        unit="path",
    )
    work_dir: str = _setting("work", "addresses", "folder of the runs in progress", unit="path")
    log_dir: str = _setting("logs", "addresses", "folder of the JSON log files", unit="path")

    min_feedback_count: int = _count(
        50, "data", "a run is skipped below so many known votes", unit="votes"
    )
    min_new_feedback: int = _count(
        1, "data", "a run is skipped below so many votes since the last verdict", unit="votes"
    )
    real_data_weight: float = _setting(
        2.0,
        "data",
        "weight of a real vote against a base row; 0 trains on base data only",
        unit="times",
        at_least=0.0,
        at_most=1_000_000.0,
        why="a base row weighs 1/weight",
    )
    base_csv: str | None = _setting(
        None, "data", "base data from this CSV file instead of the generator", unit="path"
    )
    base_rows: int = _count(
        10_000,
        "data",
        "base rows the generator makes; 0 switches the base off, as an empty CSV does",
        unit="rows",
        at_most=10_000_000,
    )
    overlap_minutes: int = _count(
        60,
        "data",
        "an incremental read starts so long before the last cutoff, for late commits",
        unit="minutes",
        at_most=525_600,
    )
    max_reject_share: float = _share(
        0.20, "data", "more rejected vote cells than this stop the run (from 30 cells on)"
    )
    min_class_share: float = _share(
        0.04,
        "data",
        "an answer's share of the new votes below this part of its share of the earlier ones, by "
        "more than chance, stops the run (from 30 on); 0 never does",
    )
    max_unknown_share: float = _share(0.90, "data", "more unknown values than this are warned of")
    max_duplicate_share: float = _share(0.50, "data", "more duplicates than this are warned of")
    max_missing_share: float = _share(
        0.50, "data", "more votes without score or time than this are warned of"
    )
    max_group_share: float = _share(
        0.50, "data", "one person or photo with more of the new votes than this is warned of"
    )
    max_stale_days: int = _count(
        60,
        "data",
        "a newest vote older than this is warned of",
        unit="days",
        at_least=1,
        at_most=36_500,
    )
    statement_timeout_seconds: int = _count(
        600, "data", "time limit of one SQL statement", unit="seconds", at_least=1, at_most=86_400
    )
    skip_data_check: bool = _setting(
        False, "data", "skip the two vote minimums (validation is never skipped)"
    )

    batch_size: int = _count(
        64, "training", "cells in a batch of the network", unit="cells", at_least=1
    )
    max_epochs: int = _count(
        50, "training", "epochs of the network at most", unit="epochs", at_least=1, at_most=100_000
    )
    learning_rate: float = _setting(
        0.001,
        "training",
        "first learning rate of the network",
        above=0.0,
        at_most=1.0,
        why="Adam diverges beyond",
    )
    early_stopping_patience: int = _count(
        7, "training", "epochs without improvement before training stops", unit="epochs", at_least=1
    )
    candidates: str = _setting(
        "auto",
        "training",
        "which candidates compete; a name forces one",
        choices=("auto", "hierarchical", "embedding"),
    )
    half_life_days: int = _count(
        0,
        "training",
        "a vote so much older than the cutoff counts half; 0 counts all alike",
        unit="days",
        at_most=36_500,
    )
    window_days: int = _count(
        0,
        "training",
        "votes older than this at the cutoff are not learned from; 0 learns from all",
        unit="days",
        at_most=36_500,
    )
    personal: bool = _setting(
        False,
        "training",
        "a person's own offset where user_id is known: backtest only, never published",
    )
    seed: int = _count(0, "training", "seed of every random draw", at_most=2**32 - 1)

    gate: str = _setting(
        "harm",
        "deployment",
        "what a promotion needs: no harm beyond tolerated_loss and an expected gain, a proved "
        "gain in log-loss, or a proved gain in F1",
        choices=("harm", "superiority", "f1"),
    )
    tolerated_loss: float = _setting(
        0.01,
        "deployment",
        "log-loss that a version may be worse by than its champion before that is harm",
        unit="nats",
        above=0.0,
        at_most=1.0,
        why="no number of votes excludes every loss, and a coin's own log-loss is 0.69",
    )
    yearly_risk: float = _share(
        0.05,
        "deployment",
        "chance a year of promoting a version worse than its champion by more than tolerated_loss",
        at_least=None,
        above=0.0,
        at_most=None,
        below=1.0,
        why="no promotion is free of risk, and none may be sure to do harm",
    )
    max_negative_flips: float = _share(
        0.10,
        "deployment",
        "votes that the champion answered rightly and the challenger does not; more reject it",
    )
    min_improvement: float = _setting(
        0.0,
        "deployment",
        "F1 that the challenger must be better by: expected where above 0 (gate harm), proved "
        "with gate f1; negative allows a loss there",
        unit="F1",
        at_least=-1.0,
        at_most=1.0,
        why="F1 is between 0 and 1",
    )
    confidence: float = _share(
        0.90,
        "deployment",
        "two-sided confidence of the interval; 0 compares the plain figures",
        at_most=None,
        below=1.0,
        why="no interval is certain",
    )
    auto_deploy: bool = _setting(True, "deployment", "promote a model that passed the gate")
    verify: str = _setting(
        "model",
        "deployment",
        "what must be proved in service: which model answers, that it is well, or the deployment",
        choices=("model", "health", "deployment"),
    )
    rollout_seconds: int = _count(
        900,
        "deployment",
        "a version that is not in service after so long is taken back",
        unit="seconds",
        at_least=1,
        at_most=7_200,
    )
    bake_seconds: int = _count(
        60,
        "deployment",
        "errors are watched for so long once every task answers with the new version",
        unit="seconds",
        at_most=3_600,
    )
    max_backups: int = _count(
        5, "deployment", "model versions kept", unit="versions", at_least=1, at_most=10_000
    )
    keep_snapshots: int = _count(
        10, "deployment", "vote snapshots kept", unit="snapshots", at_least=1, at_most=10_000
    )
    min_test_groups: int = _count(
        30,
        "deployment",
        "fewer people or photos among the judging votes leave the verdict undecided",
        unit="groups",
    )
    min_accuracy: float = _floor("accuracy")
    min_precision: float = _floor("precision")
    min_recall: float = _floor("recall")
    min_f1: float = _floor("F1")

    schedule: str = _setting("cron(0 2 ? * SUN *)", "scheduler", "when the loop runs", unit="UTC")
    lease_seconds: int = _count(
        600,
        "scheduler",
        "a run that falls silent for so long is dead",
        unit="seconds",
        at_least=1,
        at_most=86_400,
    )
    deadline_minutes: int = _count(
        120,
        "scheduler",
        "a run that takes longer is stopped",
        unit="minutes",
        at_least=1,
        at_most=1_440,
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = checked(field.name, field.metadata["rule"], getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        for sources in (CREDENTIALS, API_KEYS):
            _check_one_source(self, sources)


def _check_one_source(settings: Settings, names: tuple[str, ...]) -> None:
    """Two sources of a secret would leave open which of them was used."""
    given = [name for name in names if getattr(settings, name)]
    if len(given) > 1:
        *others, last = (name.upper() for name in names)
        raise UsageError(
            f"at most one of {', '.join(others)} and {last} may be set, got "
            f"{' and '.join(name.upper() for name in given)}: remove all but the one that is meant"
        )


RULES: Mapping[str, Rule] = {
    field.name: field.metadata["rule"] for field in dataclasses.fields(Settings)
}
_ACCEPTED = accepted(RULES)


def load(
    *,
    yaml_path: Path | None,
    env_file: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
    warn: Callable[[str], None] = log.warning,
) -> Settings:
    """Settings from all sources; the later one wins, and each is checked even if overridden.

    yaml_path: must exist if given. env_file: may be absent. flags: setting → value, None for
    "not given". warn: told of each former name. Raises UsageError with rule, value and remedy;
    its text never holds a secret.
    """
    values: dict[str, Any] = from_yaml(yaml_path, _ACCEPTED) if yaml_path else {}
    if env_file:
        values |= from_env_file(env_file, _ACCEPTED)
    values |= from_variables(environ, _ACCEPTED, where="the environment")
    values |= {name: value for name, value in flags.items() if value is not None}
    return Settings(**settled(values, warn))


def require(settings: Settings, *names: str) -> tuple[str, ...]:
    """The values of the addresses that a command needs, in the order asked for.

    Raises UsageError that names every missing one and how to set it.
    """
    values = [getattr(settings, name) for name in names]
    missing = [name for name, value in zip(names, values, strict=True) if value is None]
    if missing:
        variables = ", ".join(environment_name(name, RULES[name]) for name in missing)
        raise UsageError(
            f"{variables} must be set: an address has no default, because an empty database "
            "would look like no feedback; set it in the environment, in .env, or under "
            f"`addresses` in the YAML file ({PAGE})"
        )
    return tuple(values)


def public(settings: Settings) -> dict[str, object]:
    """The settings that shape a run, for run.json: all but the addresses and the secret, which
    say where it ran and not what it did. `restored` takes them back.
    """
    return {
        name: getattr(settings, name) for name, rule in RULES.items() if rule.section != "addresses"
    }


def restored(settings: Settings, recorded: Mapping[str, Any]) -> Settings:
    """The settings with what a run's record says shaped it, which may be of the release before.

    What that release did not know of gets its default and not what is set today: a new setting
    changes nothing until somebody sets it.
    """
    return dataclasses.replace(settings, **{**public(Settings()), **renamed(recorded)})
