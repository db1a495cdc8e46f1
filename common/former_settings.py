"""Names of settings that the release before had: accepted for one release, each with a warning.

They are taken out here, before the settings are made, so that nothing else knows of them. Apart
from `common.settings`, since this goes away again with the names.
"""

from collections.abc import Callable, Mapping
from typing import Any

from common.errors import UsageError
from common.setting_rules import Rule

FORMER: Mapping[str, str | None] = {"min_test_votes": "min_test_groups", "worth_detecting": None}
"""Former name → name of today; None for one without effect."""
OLDER: Mapping[str, str | None] = {
    **FORMER,
    "min_feedback": "min_feedback_count",
    "min_new": "min_new_feedback",
    "real_weight": "real_data_weight",
    "epochs": "max_epochs",
    "patience": "early_stopping_patience",
    "lr": "learning_rate",
    "random_seed": "seed",
}
"""Names that people know from options and older programs → name of today, for "did you mean"."""
_IGNORED = Rule(section="deployment", kind=float, optional=False, says="without effect")


def accepted(rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """The rules, and those of the former names: a value is checked as its name of today."""
    return {**rules, **{old: rules[new] if new else _IGNORED for old, new in FORMER.items()}}


def settled(values: Mapping[str, Any], warn: Callable[[str], None]) -> dict[str, Any]:
    """The values under the names of today; `warn` is told of each former one.

    UsageError if a setting is given under both its names, in whatever sources.
    """
    for old, new in FORMER.items():
        if new and old in values and new in values:
            raise UsageError(
                f"at most one of {old} and {new} may be set, got {values[old]!r} and "
                f"{values[new]!r}: {old} is the former name of {new}; remove it"
            )
        if old in values:
            now = f"is called {new} now" if new else "has no effect any more"
            do = "rename" if new else "remove"
            warn(f"{old} {now}, got {values[old]!r}: {do} it before the next release")
    return renamed(values)


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values under the names of today, without those that have no effect any more."""
    kept = {name: value for name, value in values.items() if name not in FORMER}
    return kept | {new: values[old] for old, new in FORMER.items() if new and old in values}
