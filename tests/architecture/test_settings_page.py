"""The page of settings, the example files and the code say the same."""

import re

import yaml
from dotenv import dotenv_values

from common.setting_sources import SECTIONS, environment_name
from common.settings import RULES, Settings, load
from tests.architecture.code import ROOT
from tests.architecture.settings_page import PATH, page


def test_the_page_is_what_the_code_says_now() -> None:
    # If not: python -m tests.architecture.settings_page
    assert PATH.read_text(encoding="utf-8") == page()


def test_the_example_yaml_has_every_section_and_every_setting_at_its_default() -> None:
    text = (ROOT / "settings.yaml").read_text(encoding="utf-8")
    # Its lines are commented out; here they all come in.
    opened = re.sub(r"(?m)^(  )# (\w+: )", r"\1\2", text)

    example = yaml.safe_load(opened)
    assert tuple(example) == SECTIONS
    for section, values in example.items():
        names = {n for n, rule in RULES.items() if rule.section == section and not rule.secret}
        assert set(values) == names, section
        if section != "addresses":
            assert values == {name: getattr(Settings(), name) for name in names}


def test_the_example_yaml_as_it_stands_sets_nothing() -> None:
    settings = load(yaml_path=ROOT / "settings.yaml", env_file=None, environ={}, flags={})

    assert settings == Settings()


def test_the_example_env_file_names_the_addresses_and_the_password_and_holds_no_secret() -> None:
    variables = dotenv_values(ROOT / ".env.example")
    names = {environment_name(n, rule) for n, rule in RULES.items() if rule.section == "addresses"}

    assert set(variables) == names
    assert variables["DB_PASSWORD"] == ""
    load(yaml_path=None, env_file=ROOT / ".env.example", environ={}, flags={})
