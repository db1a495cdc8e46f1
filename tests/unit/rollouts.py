"""A roll-out that has begun: m-new is active since a moment, in a service of two tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.errors import ServingError
from common.registry import Registry, open_registry
from common.registry.records import HistoryEntry, Run
from common.serving.watch import Verify
from task.rollout import Proof, roll_out
from tests.unit.serving import (
    QUESTIONS,
    Clock,
    FakeApi,
    FakeService,
    active,
    expected,
    fake_api,
    healer,
    rolling_out,
)

PROOF = Proof(expected=expected("m-new"), questions=QUESTIONS, bake_seconds=60)
HICCUP = ServingError("a hiccup")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that takes part in a roll-out."""

    registry: Registry
    service: FakeService
    clock: Clock
    spare: FakeApi
    """An API that is no task yet."""
    run: Run
    entry: HistoryEntry

    def rolled(self, *, verify: Verify = "model", proof: Proof = PROOF) -> Run:
        """How the roll-out ends."""
        mine = healer(self.registry, self.service, self.clock, verify=verify)
        return roll_out(mine, proof, self.entry, self.run)

    def taken_back(self, ended: Run, says: str) -> None:
        """Assert that the run says why, and that the version before serves again."""
        assert (ended.state, ended.exit, active(self.registry)) == ("rolled_back", 4, ("m-old", 3))
        assert says in ended.reason
        assert "m-old is active again, and every task serves it" in ended.reason
        assert {each.version for each in self.service.apis} == {"m-old"}
        assert self.registry.run("m-new") == ended


@contextmanager
def begun(folder: Path, *before: str) -> Iterator[Scene]:
    """The roll-out of m-new, after these versions."""
    registry = open_registry(f"sqlite:///{folder}/registry.sqlite")
    run, entry = rolling_out(registry, *before)
    with ExitStack() as stack:
        first, second, spare = (stack.enter_context(fake_api()) for _ in range(3))
        yield Scene(
            registry=registry,
            service=FakeService(registry, [first, second]),
            clock=Clock(),
            spare=spare,
            run=run,
            entry=entry,
        )
