"""The guards of the loop, each with a small change that takes it away and the tests that notice.

A test that passes with its guard removed is a decoration. `tests/mutants.py` applies each change
to a copy of the project and expects red. To add one: the shortest `old` that occurs once in the
file, the change a tired person could make, and the fewest tests that must catch it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change: `old` (once in `file`) becomes `new`; then one of `tests` must fail."""

    name: str
    guards: str  # "promise 4" or "fault 9", and what would go wrong
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        name="misspelt-setting-ignored",
        guards="promise 8: a setting that is misspelt is an error, not a default",
        file="common/setting_sources.py",
        old="if name is None and variable.startswith(PREFIX):",
        new="if name is None and variable == PREFIX:",
        tests=("tests/unit/test_settings.py",),
    ),
    Mutant(
        name="nan-bound-accepted",
        guards="promise 4: no comparison of the gate is with NaN",
        file="common/setting_rules.py",
        old="return number if math.isfinite(number) else None",
        new="return number",
        tests=("tests/unit/test_settings.py",),
    ),
    Mutant(
        name="missing-address-accepted",
        guards="fault 9: no address is never an empty database",
        file="common/settings.py",
        old="strict=True) if value is None]",
        new='strict=True) if value == ""]',
        tests=("tests/unit/test_settings.py",),
    ),
)
