"""Reads settings from a YAML file, a `.env` file and the environment into checked values.

Unknown names are errors with the nearest known name, since a setting that is misspelt and
ignored is worse than none. Names in the environment or `.env` that do not begin with RETRAIN_
belong to others (`.env` is often the application's own) and are passed over.
"""

import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from common.errors import UsageError
from common.former_settings import FORMER, OLDER
from common.setting_rules import PAGE, Rule, checked, shown, suggestion

SECTIONS = ("addresses", "data", "training", "deployment", "scheduler")
PREFIX = "RETRAIN_"


def environment_name(name: str, rule: Rule) -> str:
    """The environment variable of a setting: DATABASE_URL, RETRAIN_BATCH_SIZE."""
    return name.upper() if rule.section == "addresses" else PREFIX + name.upper()


def from_yaml(path: Path, rules: Mapping[str, Rule]) -> dict[str, object]:
    """The checked values of a YAML file with the sections above; UsageError if it is wrong."""
    values: dict[str, object] = {}
    for section, content in _read_yaml(path).items():
        if section not in SECTIONS:
            raise UsageError(
                f"{path}: section {shown(section)} does not exist; "
                f"{suggestion(section, SECTIONS)} (sections: {', '.join(SECTIONS)})"
            )
        for key, value in _mapping(content, f"{path}: section {section}").items():
            name = _known(path, str(section), key, rules)
            values[name] = checked(name, rules[name], value, origin=f" (in {path})")
    return values


def from_variables(
    variables: Mapping[str, str], rules: Mapping[str, Rule], *, where: str
) -> dict[str, object]:
    """The checked values among environment variables; an empty one counts as not set.

    where: "the environment" or the file, for the error text.
    """
    names = {environment_name(name, rule): name for name, rule in rules.items()}
    values: dict[str, object] = {}
    for variable, value in variables.items():
        name = names.get(variable)
        if name is None and variable.startswith(PREFIX):
            bare = variable.removeprefix(PREFIX)
            known = [each for each, of in names.items() if of not in FORMER]
            today = {of: each for each, of in names.items()}
            older = {PREFIX + old.upper(): new and today.get(new) for old, new in OLDER.items()}
            hint = suggestion(bare if bare in names else variable, known, older)
            raise UsageError(f"{variable} in {where} is not a setting; {hint} (all names: {PAGE})")
        if name is not None and value:
            origin = f" ({variable} in {where})"
            values[name] = checked(name, rules[name], value, origin=origin)
    return values


def from_env_file(path: Path, rules: Mapping[str, Rule]) -> dict[str, object]:
    """The checked values of a `.env` file; none if there is no such file."""
    return from_variables(_read_env_file(path, rules), rules, where=str(path))


def _read_env_file(path: Path, rules: Mapping[str, Rule]) -> dict[str, str]:
    import dotenv
    from dotenv.parser import parse_stream

    try:
        # No interpolation: a password may hold a `$`.
        found = dotenv.dotenv_values(path, interpolate=False) if path.exists() else {}
        with path.open(encoding="utf-8") if path.exists() else io.StringIO() as text:
            _check_once(path, [line.key for line in parse_stream(text) if line.key], rules)
    except (OSError, UnicodeDecodeError) as exc:
        # The decoder's text quotes bytes of the file, which may be a secret: not chained.
        raise UsageError(
            f"{path} must be readable UTF-8 text, got {type(exc).__name__}; mend it or remove it"
        ) from None
    return {name: value for name, value in found.items() if value is not None}


def _check_once(path: Path, variables: list[str], rules: Mapping[str, Rule]) -> None:
    """Refuse a setting of ours that is given twice, of which the last would win in silence."""
    ours = {environment_name(name, rule) for name, rule in rules.items()}
    for variable, times in Counter(variables).items():
        if times > 1 and variable in ours:
            raise UsageError(
                f"{path}: {variable} must stand once, got {times} lines of it, of which the last "
                "alone would count: remove the others"
            )


def _read_yaml(path: Path) -> dict[object, object]:
    import yaml

    from common import yaml_document

    try:
        document = yaml_document.read(path.read_bytes())
    except yaml_document.MisleadingError as exc:
        raise UsageError(f"{path}: {exc}") from None
    except OSError as exc:
        raise UsageError(
            f"the settings file {path} must be readable, got {exc.strerror}; check its path"
        ) from exc
    except (yaml.YAMLError, ValueError) as exc:
        # The parser's text quotes the line, which may hold a secret: neither shown nor chained.
        mark = getattr(exc, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UsageError(
            f"{path} must be valid YAML, got a fault{place}; check indentation, colons and quotes"
        ) from None
    return _mapping(document, str(path))


def _mapping(content: object, what: str) -> dict[object, object]:
    """The content as a mapping; an empty file or section has none of its lines set."""
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(
            f"{what} must hold `name: value` lines, got {type(content).__name__}; "
            f"see settings.yaml for an example"
        )
    return content


def _known(path: Path, section: str, key: object, rules: Mapping[str, Rule]) -> str:
    """The key as the name of a setting that may stand in this section of a file."""
    rule = rules.get(key) if isinstance(key, str) else None
    if rule is None:
        known = [n for n, of in rules.items() if of.section == section and n not in FORMER]
        older = {old: new for old, new in OLDER.items() if new is None or new in known}
        raise UsageError(
            f"{path}: {section} has no setting {shown(key)}; {suggestion(key, known, older)} "
            f"(all names: {PAGE})"
        )
    name = str(key)
    if rule.section != section:
        raise UsageError(f"{path}: {name} stands in {section}; move it to section {rule.section}")
    if rule.secret:
        raise UsageError(
            f"{path}: {name} may not stand in a YAML file, which gets shared; "
            f"set {environment_name(name, rule)} in the environment or in .env"
        )
    return name
