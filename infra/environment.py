"""The environment of task, API and functions, made from the classes that read it.

A variable that no class knows is an error at start, and a setting without its variable would be
a default that nobody sees: so each gets every setting of the loop, and the
addresses that it uses.
"""

from collections.abc import Mapping

from common.setting_rules import Rule
from common.setting_sources import environment_name
from common.settings import RULES
from infra.stage import Stage
from retrain_trigger.settings import Own, variables

ADDRESSES = frozenset(name for name, rule in RULES.items() if rule.section == "addresses")


def loop_variables(stage: Stage, addresses: Mapping[str, str]) -> dict[str, str]:
    """Every setting of the loop as variables, with these addresses; what is None is left out."""
    values = {
        environment_name(name, rule): text
        for name, rule in RULES.items()
        if name not in ADDRESSES and (text := _text(rule, getattr(stage.loop, name))) is not None
    }
    return {**addresses, **values}


def _text(rule: Rule, value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if rule.kind is bool else str(value)


def own_variables(kind: Own, values: Mapping[str, str]) -> dict[str, str]:
    """The variables of a function's own settings, each of which must have a value."""
    return {variable: values[name] for variable, name in variables(kind).items()}
