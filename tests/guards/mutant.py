"""What a mutant is: a small change that takes one guard away."""

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
