"""The guards of the loop, each with a small change that takes it away and the tests that notice.

A test that passes with its guard removed is a decoration. `tests/mutants.py` applies each change
to a copy of the project and expects red. To add one: the shortest `old` that occurs once in the
file, the change a tired person could make, and the fewest tests that must catch it.
"""

from tests.guards import (
    cloud,
    evidence,
    fit,
    folds,
    gate,
    healing,
    image,
    login,
    loop,
    page,
    places,
    reading,
    rights,
    service,
    serving,
    stack,
    task,
    trigger,
)
from tests.guards.mutant import Mutant

__all__ = ["MUTANTS", "Mutant"]

MUTANTS: tuple[Mutant, ...] = (
    *loop.MUTANTS,
    *login.MUTANTS,
    *places.MUTANTS,
    *trigger.MUTANTS,
    *task.MUTANTS,
    *image.MUTANTS,
    *stack.MUTANTS,
    *rights.MUTANTS,
    *cloud.MUTANTS,
    *service.MUTANTS,
    *page.MUTANTS,
    *serving.MUTANTS,
    *healing.MUTANTS,
    *evidence.MUTANTS,
    *fit.MUTANTS,
    *folds.MUTANTS,
    *gate.MUTANTS,
    *reading.MUTANTS,
)
