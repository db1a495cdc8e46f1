"""Settings: which source wins, which values are refused, and that no text shows a secret."""

import dataclasses
import json
import typing
from collections.abc import Mapping
from pathlib import Path

import pytest

from common.errors import UsageError
from common.setting_sources import SECTIONS
from common.settings import CREDENTIALS, RULES, Settings, load, public, require, restored

SECRET = "hunter2-Ä/#"


def read(
    folder: Path,
    yaml: str | None = None,
    env_file: str | None = None,
    environ: Mapping[str, str] | None = None,
    **flags: object,
) -> Settings:
    """Settings from files with these contents, written into the folder."""
    yaml_path, env_path = folder / "settings.yaml", folder / ".env"
    if yaml is not None:
        yaml_path.write_text(yaml, encoding="utf-8")
    if env_file is not None:
        env_path.write_text(env_file, encoding="utf-8")
    chosen = yaml_path if yaml is not None else None
    return load(yaml_path=chosen, env_file=env_path, environ=environ or {}, flags=flags)


def refusal(folder: Path, **sources: typing.Any) -> str:
    """The text of the UsageError that these sources raise."""
    with pytest.raises(UsageError) as caught:
        read(folder, **sources)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_without_any_source_the_defaults_hold_and_no_address_has_one(tmp_path: Path) -> None:
    settings = read(tmp_path)

    assert settings == Settings()
    assert (settings.min_feedback_count, settings.min_new_feedback) == (50, 1)
    assert (settings.batch_size, settings.max_epochs, settings.learning_rate) == (64, 50, 0.001)
    assert (settings.min_improvement, settings.confidence) == (0.0, 0.90)
    assert settings.schedule == "cron(0 2 ? * SUN *)"
    assert settings.database_url is settings.store_url is settings.registry_url is None
    assert settings.serving_url is None


def test_yaml_then_env_file_then_environment_then_flags_the_later_wins(tmp_path: Path) -> None:
    yaml = "training: {seed: 1, batch_size: 1, max_epochs: 1, early_stopping_patience: 1}"
    env_file = "RETRAIN_BATCH_SIZE=2\nRETRAIN_MAX_EPOCHS=2\nRETRAIN_EARLY_STOPPING_PATIENCE=2"
    environ = {"RETRAIN_MAX_EPOCHS": "3", "RETRAIN_EARLY_STOPPING_PATIENCE": "3"}

    settings = read(tmp_path, yaml, env_file, environ, early_stopping_patience=4, seed=None)

    assert (settings.seed, settings.batch_size) == (1, 2)
    assert (settings.max_epochs, settings.early_stopping_patience) == (3, 4)


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_every_setting_can_be_set_by_its_variable_and_all_but_the_secret_by_yaml(
    tmp_path: Path, credential: str
) -> None:
    # Given every setting, and of the three sources of the password one
    odd: dict[str, object] = {
        "db_password": SECRET,
        "database_url": "sqlite:///votes.db",
        "candidates": "embedding",
        "verify": "health",
        "gate": "superiority",
    }
    by_kind: dict[type, object] = {int: 7, float: 0.25, bool: True, str: "some text"}
    others = {*CREDENTIALS, "api_key_secret_arn"} - {credential}
    names = [name for name in RULES if name not in others]
    values = {name: odd.get(name, by_kind[RULES[name].kind]) for name in names}
    values["auto_deploy"] = False
    sections = {
        section: {n: v for n, v in values.items() if RULES[n].section == section}
        for section in SECTIONS
    }
    hidden = {name for name in names if RULES[name].secret}
    for name in hidden:
        del sections["addresses"][name]
    variables = {
        (name.upper() if RULES[name].section == "addresses" else f"RETRAIN_{name.upper()}"): value
        for name, value in values.items()
    }

    from_environment = read(tmp_path, environ={name: str(v) for name, v in variables.items()})
    from_yaml = read(tmp_path, yaml=json.dumps(sections))

    defaults = dataclasses.asdict(Settings())
    assert dataclasses.asdict(from_environment) == defaults | values
    assert dataclasses.asdict(from_yaml) == defaults | values | dict.fromkeys(hidden)


def test_each_rule_has_the_type_and_section_of_its_field() -> None:
    hints = typing.get_type_hints(Settings)

    for name, rule in RULES.items():
        assert hints[name] == (rule.kind | None if rule.optional else rule.kind), name
        assert rule.section in SECTIONS, name
        assert rule.says, name


@pytest.mark.parametrize(
    ("section", "name", "value", "says"),
    [
        # Each bound once from either side, and just beyond.
        ("deployment", "min_improvement", "3", "at most 1.0, got 3: F1 is between 0 and 1"),
        ("deployment", "min_improvement", "-1.01", "at least -1.0, got -1.01"),
        ("deployment", "confidence", "1.0", "below 1.0, got 1.0"),
        ("deployment", "tolerated_loss", "0", "above 0.0, got 0"),
        ("deployment", "tolerated_loss", "1.5", "at most 1.0, got 1.5"),
        ("deployment", "yearly_risk", "0", "above 0.0, got 0"),
        ("deployment", "yearly_risk", "1", "below 1.0, got 1"),
        ("deployment", "max_negative_flips", "1.1", "at most 1.0, got 1.1"),
        ("deployment", "gate", "f2", "one of harm, superiority, f1, got 'f2'"),
        ("training", "half_life_days", "-1", "at least 0, got -1"),
        ("training", "window_days", "36501", "at most 36500, got 36501"),
        ("data", "base_rows", "-1", "at least 0, got -1"),
        ("training", "learning_rate", "0.0", "above 0.0, got 0.0"),
        ("training", "learning_rate", "1.5", "at most 1.0, got 1.5"),
        ("training", "batch_size", "0", "at least 1, got 0"),
        ("training", "seed", "-1", "at least 0, got -1"),
        ("training", "seed", "4294967296", "at most 4294967295, got 4294967296"),
        ("data", "real_data_weight", "-0.5", "at least 0.0, got -0.5"),
        ("data", "min_class_share", "1.2", "at most 1.0, got 1.2"),
        ("data", "max_reject_share", "1.2", "at most 1.0, got 1.2: it is a share of 1"),
        ("scheduler", "lease_seconds", "0", "at least 1, got 0"),
        # No number at all.
        ("training", "learning_rate", ".nan", "a finite number, got nan"),
        ("training", "learning_rate", "-.inf", "a finite number, got -inf"),
        ("training", "learning_rate", "1" + "0" * 400, "a finite number, got 1000"),
        ("training", "learning_rate", "fast", "a finite number, got 'fast'"),
        ("training", "learning_rate", "true", "a finite number, got True"),
        ("training", "max_epochs", "2.5", "a whole number, got 2.5"),
        ("training", "max_epochs", "true", "a whole number, got True"),
        ("training", "max_epochs", "[50]", "a whole number, got a list"),
        ("training", "max_epochs", "", "a whole number, got nothing"),
        # Other types.
        ("deployment", "auto_deploy", "perhaps", "true or false, got 'perhaps'"),
        ("deployment", "auto_deploy", "1", "true or false, got 1"),
        ("training", "candidates", "hierarchic", "did you mean hierarchical?"),
        ("training", "candidates", "5", "text, got 5"),
        ("scheduler", "schedule", "{cron: weekly}", "text, got a mapping"),
        ("scheduler", "schedule", '"\\e[2J"', "one line of text, got a control character"),
        ("scheduler", "schedule", '" "', "must not be empty"),
        ("addresses", "work_dir", '""', "must not be empty"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_with_rule_value_and_source(
    tmp_path: Path, section: str, name: str, value: str, says: str
) -> None:
    text = refusal(tmp_path, yaml=f"{section}:\n  {name}: {value}\n")

    assert text.startswith(f"{name} must")
    assert says in text
    assert "settings.yaml" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_improvement", -1.0),  # legal: a challenger that is at most so much worse
        ("min_improvement", 1),
        ("confidence", 0.0),  # the plain rule
        ("real_data_weight", 0),  # base data only
        ("min_feedback_count", 0),
        ("max_reject_share", 1.0),
        ("base_rows", 0),  # no base
        ("tolerated_loss", 1.0),
    ],
)
def test_a_bound_itself_is_allowed(name: str, value: float) -> None:
    settings = Settings(**{name: value})  # type: ignore[arg-type]

    assert getattr(settings, name) == value
    assert type(getattr(settings, name)) is RULES[name].kind


def test_a_wrong_value_is_refused_even_if_a_later_source_would_win(tmp_path: Path) -> None:
    text = refusal(tmp_path, environ={"RETRAIN_SEED": "first"}, seed=5)

    assert "seed must be a whole number, got 'first' (RETRAIN_SEED in the environment)" in text


def test_a_flag_and_a_value_made_in_code_are_checked_too(tmp_path: Path) -> None:
    assert "min_improvement must be at most 1.0, got 2" in refusal(tmp_path, min_improvement=2)
    with pytest.raises(UsageError, match="batch_size must be at least 1, got 0"):
        Settings(batch_size=0)


def test_text_that_yaml_does_not_take_for_a_number_is_read_as_one(tmp_path: Path) -> None:
    # YAML 1.1 reads 1e-4, without a dot, as text.
    assert read(tmp_path, yaml="training: {learning_rate: 1e-4}").learning_rate == 0.0001


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("trainings: {seed: 1}", "section 'trainings' does not exist; did you mean training?"),
        ("zzz: {seed: 1}", "section 'zzz' does not exist; remove it"),
        ("seed: 1", "section 'seed' does not exist"),
        ("training: {sed: 1}", "training has no setting 'sed'; did you mean seed?"),
        ("training: {zzzzzz: 1}", "training has no setting 'zzzzzz'; remove it"),
        ("training: {1: 1}", "training has no setting 1"),
        ("data: {seed: 1}", "seed stands in data; move it to section training"),
        ("training: 5", "section training must hold `name: value` lines, got int"),
        ("- seed", "must hold `name: value` lines, got list"),
    ],
)
def test_an_unknown_name_in_yaml_is_refused_with_the_nearest_known_one(
    tmp_path: Path, yaml: str, says: str
) -> None:
    assert says in refusal(tmp_path, yaml=yaml)


def test_an_empty_file_and_an_empty_section_set_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, yaml="# nothing yet\n") == Settings()
    assert read(tmp_path, yaml="training:\ndata: {base_csv: }\n") == Settings()


def test_broken_yaml_is_refused_with_its_line_and_without_its_text(tmp_path: Path) -> None:
    yaml = f"training:\n  seed: 1\n  batch_size: [{SECRET}\n"

    text = refusal(tmp_path, yaml=yaml)

    assert "must be valid YAML, got a fault at line 4, column 1" in text
    assert SECRET not in text


def test_yaml_that_cannot_be_decoded_or_converted_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    for content in (b"training:\n  seed: \xff\n", b"training:\n  seed: 2026-13-45\n"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="must be valid YAML"):
            load(yaml_path=path, env_file=None, environ={}, flags={})


def test_yaml_makes_plain_values_only(tmp_path: Path) -> None:
    text = refusal(tmp_path, yaml="training: {seed: !!python/object/apply:os.getpid []}")

    assert "must be valid YAML" in text


def test_a_missing_yaml_file_is_an_error_and_a_missing_env_file_is_not(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"

    with pytest.raises(UsageError, match=r"none\.yaml must be readable, got No such file"):
        load(yaml_path=missing, env_file=None, environ={}, flags={})
    assert load(yaml_path=None, env_file=tmp_path / ".env", environ={}, flags={}) == Settings()


def test_an_env_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"DB_PASSWORD=\xff\xfe")

    with pytest.raises(UsageError, match="must be readable UTF-8 text"):
        load(yaml_path=None, env_file=path, environ={}, flags={})


def test_an_unknown_variable_with_our_prefix_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    in_environment = refusal(tmp_path, environ={"RETRAIN_BACH_SIZE": SECRET})
    in_file = refusal(tmp_path, env_file=f"RETRAIN_DB_PASSWORD={SECRET}")

    assert "RETRAIN_BACH_SIZE in the environment is not a setting" in in_environment
    assert "did you mean RETRAIN_BATCH_SIZE?" in in_environment
    assert "did you mean DB_PASSWORD?" in in_file
    assert SECRET not in in_environment + in_file


def test_names_of_others_are_passed_over_in_env_file_and_environment(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        env_file="GEMINI_API_KEY=abc\nSEED=5\nexport RETRAIN_SEED=6\nBARE_NAME\n",
        environ={"BATCH_SIZE": "9", "PATH": "/bin"},
    )

    assert settings == Settings(seed=6)


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    environ = {"RETRAIN_SEED": "", "DB_PASSWORD": "", "DATABASE_URL": ""}

    settings = read(
        tmp_path, env_file="RETRAIN_SEED=3\nDATABASE_URL=sqlite:///v.db", environ=environ
    )

    assert (settings.seed, settings.database_url) == (3, "sqlite:///v.db")
    assert settings.db_password is None


def test_a_password_is_read_as_it_stands_dollar_signs_and_all(tmp_path: Path) -> None:
    settings = read(tmp_path, env_file="DB_PASSWORD='a${HOME}$b #c'", environ={"HOME": "/nowhere"})

    assert settings.db_password == "a${HOME}$b #c"


@pytest.mark.parametrize(
    "address",
    [
        f"mysql://someone:{SECRET}@db.example/hairme",
        f"mysql+pymysql://:{SECRET}@db.example/hairme",
        f"asyncmy://someone:{SECRET}@db.example:3306/hairme?next=sqlite://x",
        f"someone:{SECRET}@db.example/hairme",
        f"mysql://someone@db.example/hairme?charset=utf8mb4&Password={SECRET}",
    ],
)
@pytest.mark.parametrize("variable", ["DATABASE_URL", "STORE_URL", "REGISTRY_URL", "SERVING_URL"])
def test_a_password_in_an_address_is_refused_without_being_shown(
    tmp_path: Path, variable: str, address: str
) -> None:
    text = refusal(tmp_path, environ={variable: address})

    assert f"{variable.lower()} must not hold a password" in text
    assert "set DB_PASSWORD instead" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "address",
    [
        "mysql://someone@db.example:3306/hairme?charset=utf8mb4",
        "mysql://db.example:3306/hairme",
        "sqlite:///C:/people/someone@home/votes.db",
        "file:///data/a:b@c/models",
        "none",
    ],
)
def test_an_address_without_a_password_is_taken_as_it_stands(tmp_path: Path, address: str) -> None:
    assert read(tmp_path, environ={"DATABASE_URL": address}).database_url == address


def test_the_password_may_not_come_from_yaml(tmp_path: Path) -> None:
    text = refusal(tmp_path, yaml=f"addresses: {{db_password: '{SECRET}'}}")

    assert "db_password may not stand in a YAML file" in text
    assert "set DB_PASSWORD in the environment or in .env" in text
    assert SECRET not in text


def test_an_address_of_the_wrong_type_is_refused_without_being_shown(tmp_path: Path) -> None:
    text = refusal(tmp_path, yaml=f"addresses: {{database_url: {{secret: '{SECRET}'}}}}")

    assert "database_url must be text, got a mapping" in text
    assert SECRET not in text


def test_the_password_shows_neither_in_the_repr_nor_in_the_public_settings() -> None:
    settings = Settings(db_password=SECRET, database_url="mysql://someone@db.example/hairme")

    assert SECRET not in repr(settings)
    assert SECRET not in json.dumps(public(settings), ensure_ascii=False)


def test_the_public_settings_restore_what_shapes_a_run_and_leave_the_addresses() -> None:
    settings = Settings(seed=5, min_improvement=-0.5, base_csv="base.csv", store_url="file:///s")
    elsewhere = Settings(store_url="file:///elsewhere", seed=9)

    record = json.loads(json.dumps(public(settings)))
    back = restored(elsewhere, record)

    assert back == dataclasses.replace(settings, store_url="file:///elsewhere")
    assert not {name for name, rule in RULES.items() if rule.section == "addresses"} & set(record)


def test_required_addresses_come_back_in_the_order_asked_for() -> None:
    settings = Settings(database_url="sqlite:///v.db", store_url="file:///s")

    assert require(settings, "store_url", "database_url") == ("file:///s", "sqlite:///v.db")


def test_every_missing_address_is_named_with_the_way_to_set_it() -> None:
    with pytest.raises(UsageError) as caught:
        require(Settings(store_url="file:///s"), "database_url", "store_url", "registry_url")

    text = str(caught.value)
    assert text.startswith("DATABASE_URL, REGISTRY_URL must be set")
    assert ".env" in text
    assert "`addresses` in the YAML file" in text


def test_hostile_text_is_kept_as_text(tmp_path: Path) -> None:
    hostile = "'; DROP TABLE analysis_history; -- \" 💇 가일 컷"

    settings = read(
        tmp_path, yaml=f"addresses: {{work_dir: {json.dumps(hostile, ensure_ascii=False)}}}"
    )

    assert settings.work_dir == hostile
