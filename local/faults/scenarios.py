"""The table of faults: what is injected, and what must come of it.

Each is one roll-out by a real process against real processes of the service, under load. A
version that serves well stands behind every one of them but those that say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from local.faults import injected as by
from local.faults.injected import Inject
from local.faults.stage import FIRST, NEXT

NOBODY = "nobody: all is well"
BREAKER, REFUSED, ANSWERS = "the circuit breaker", "the read-back", "other answers"
DIED, ERRORS, DEADLINE = "the bake: a task died", "the bake: errors", "the deadline"
REPLACED, GONE, UNTOLD = "another deployment", "the service is gone", "it cannot be told"
HEALER, NEXT_RUN, PERSON = "the healer", "the next run", "a person"
BAKED: Mapping[str, object] = {"bake_seconds": 1}
SHORT: Mapping[str, object] = {"rollout_seconds": 2}
"""Patience in which no deployment can come: where none will, however long anybody waits."""
SLOW: Mapping[str, object] = {"rollout_seconds": 8}
"""Patience in which a task of a good version starts, also on a machine that is busy."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One fault, and what must come of it."""

    name: str
    inject: Inject
    state: str
    exit: int
    noticed: str
    """By whom or what; in order, if more than one had to."""
    serves: str | None = FIRST
    """What every task serves at the end; None: no version."""
    run_id: str = NEXT
    """The run that rolls its version out."""
    desired: int = 1
    settings: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the task."""
    task_exit: int | None = None
    """Exit status of the task, where it is another than the run's."""
    lost: int | None = 0
    """Requests that may fail at most; None: no good version is there, or they are the fault."""
    loads: bool = True
    """Whether the active version loads in the end; not if that is the fault."""

    @property
    def exit_of_task(self) -> int:
        """The exit status of the run's process."""
        return self.exit if self.task_exit is None else self.task_exit


def _back(name: str, inject: Inject, noticed: str, **more: object) -> Scenario:
    """The version before must serve again."""
    given: dict[str, object] = {"state": "rolled_back", "exit": 4} | more
    return Scenario(name=name, inject=inject, noticed=noticed, **given)  # type: ignore[arg-type]


def _well(name: str, inject: Inject, **more: object) -> Scenario:
    """The new version must serve."""
    given: dict[str, object] = {"state": "served", "exit": 0, "serves": NEXT} | more
    return Scenario(name=name, inject=inject, noticed=NOBODY, **given)  # type: ignore[arg-type]


def _not(name: str, inject: Inject, noticed: str, **more: object) -> Scenario:
    """It must be said that the restoration is not proved, or that there was none."""
    given: dict[str, object] = {"state": "failed", "exit": 1} | more
    return Scenario(name=name, inject=inject, noticed=noticed, **given)  # type: ignore[arg-type]


def _killed(name: str, inject: Inject, noticed: str = HEALER, **more: object) -> Scenario:
    """The run's process is killed; whoever heals brings the version before back."""
    return _back(f"killed {name}", inject, noticed, **({"task_exit": 137} | more))


def _scenarios() -> Iterable[Scenario]:
    yield _well("nothing goes wrong", by.nothing, desired=2, settings=BAKED)
    yield from _bad_versions()
    yield from _store_and_registry()
    yield from _service()
    yield from _kills()
    yield from _healers()


def _bad_versions() -> Iterable[Scenario]:
    """The new version is bad in service."""
    yield _back("crash at start", by.bad_api(fault="crash_at_start"), BREAKER)
    yield _back(
        "crash after healthy, in the bake",
        by.in_the_bake(by.a_task_dies),
        DIED,
        lost=1,
        desired=2,
        settings=BAKED,
    )
    yield _back(
        "crash after healthy, before the bake",
        by.at(by.baking, by.a_task_dies),
        DIED,
        lost=1,
        desired=2,
    )
    slow = by.bad_api(fault="slow_start", seconds=60)
    yield _back("slow start past the deadline", slow, DEADLINE, settings=SLOW)
    yield _back(
        "labels swapped after the evaluation", by.bad_api(fault="swapped"), ANSWERS, desired=2
    )
    yield _back("constant output", by.bad_api(fault="constant"), ANSWERS)
    yield _back("self-test mismatch", by.bad_api(fault="wrong_self_test"), REFUSED)
    yield _back("errors in the bake", by.errors_in_the_bake, ERRORS, lost=None, settings=BAKED)
    yield _not(
        "labels swapped, and no version before",
        by.bad_api(fault="swapped", version=FIRST),
        ANSWERS,
        serves=None,
        run_id=FIRST,
        lost=None,
    )


def _store_and_registry() -> Iterable[Scenario]:
    """What the service loads from is altered, or away."""
    altered = by.at(by.forced, by.altered(NEXT))
    yield _back("table file altered in the store", altered, REFUSED)
    yield _back("table file and its manifest altered", by.at(by.forced, by.rewritten), REFUSED)
    yield _back("version deleted under it", by.at(by.forced, by.deleted(NEXT)), REFUSED)
    for service, what in (("dynamodb", "registry"), ("s3", "store")):
        passing = by.unreachable(service, until_restored=True)
        yield _back(f"{what} unreachable at start", passing, DEADLINE, settings=SLOW)
        yield _not(
            f"{what} unreachable at start, and ever after",
            by.unreachable(service, until_restored=False),
            DEADLINE,
            settings=SHORT,
        )
        lost = by.at(by.baking, by.lost(service))
        yield _well(f"{what} unreachable while serving", lost, settings=BAKED)
    for what, happens in (("missing", by.deleted(FIRST)), ("altered", by.altered(FIRST))):
        yield _not(
            f"labels swapped, and the roll-back target {what}",
            by.without_target(happens),
            ANSWERS,
            serves=NEXT,
            loads=False,
            lost=None,
        )


def _service() -> Iterable[Scenario]:
    """What happens to the service on ECS."""
    yield _well("desired count 1", by.nothing)
    yield _back("desired count 1, labels swapped", by.bad_api(fault="swapped"), ANSWERS)
    yield _well("desired count 0", by.nothing, desired=0, state="promoted", serves=None, lost=None)
    yield _back(
        "circuit breaker rolled back, and the service is stable",
        by.stable_after_the_breaker,
        REPLACED,
    )
    yield _back("a foreign deployment", by.at(by.watching, by.somebody_deploys), REPLACED)
    yield _well(
        "a task of before dies meanwhile", by.at(by.forced, by.a_task_dies), lost=1, desired=2
    )
    gone = by.at(by.watching, by.service_is_deleted)
    yield _not("service deleted meanwhile", gone, GONE, serves=None, settings=SHORT, lost=None)
    nobody = {"SERVING_URL": "ecs://HairmeRetraining-dev/nobody"}
    yield _not("service missing", by.nothing, GONE, environment=nobody)
    yield _back("the service refuses to deploy", by.refused, UNTOLD, settings=SHORT)
    yield _not(
        "a person rolls back meanwhile", by.at(by.baking, by.a_person_rolls_back), PERSON, exit=5
    )


def _kills() -> Iterable[Scenario]:
    """The run dies at each of its steps."""
    yield _killed("before the service is told", by.dies("UpdateService", "die_before"))
    yield _killed(
        "before the service is told, and a task was replaced",
        by.replaced_before_the_kill,
        lost=1,
        desired=2,
    )
    yield _killed("after the service was told", by.dies("UpdateService", "die_after"))
    look = by.dies("DescribeServices", "die_before", nth=by.FIRST_LOOK)
    yield _killed("while it watches", look)
    yield _killed("while it reads back", by.dies("DescribeTasks", "die_after"))
    yield _killed("before it asks", by.dies("TransactWriteItems", "die_after", where=by.SERVES))
    yield _killed("while it bakes", by.dies("TransactWriteItems", "die_after", where=by.ANSWERED))
    end = {"where": by.ENDED}
    yield _killed("before the end is written", by.dies("TransactWriteItems", "die_before", **end))
    yield _well(
        "killed after the end was written",
        by.dies("TransactWriteItems", "die_after", **end),
        task_exit=137,
    )
    both = f"{ANSWERS}, then {HEALER}"
    restored = {"bad": "swapped", "where": by.RESTORED}
    yield _killed(
        "before the restoration", by.dies("TransactWriteItems", "die_before", **restored), both
    )
    yield _killed(
        "after the restoration", by.dies("TransactWriteItems", "die_after", **restored), both
    )
    again = by.dies("UpdateService", "die_after", bad="swapped", nth=2)
    yield _killed("after the restoration was deployed", again, both)


def _healers() -> Iterable[Scenario]:
    """Who heals, and who does not."""
    yield _killed("and the healer is down", by.without_healer, NEXT_RUN)
    yield _killed("and everybody heals at once", by.everybody_heals, desired=2)
    stopped = by.at(by.watching, by.told_to_stop)
    yield _back("told to stop meanwhile", stopped, HEALER, task_exit=143)
    yield _well("the healer looks meanwhile", by.at(by.watching, by.healer_looks))
    late = by.at(by.watching, by.lease_expires)
    yield _back("the lease expires while it watches", late, HEALER)
    late = by.at(by.ending, by.lease_expires)
    yield _back("the lease expires before the end is written", late, HEALER)
    yield _back("the registry refuses the end", by.end_refused, HEALER, task_exit=1)
    yield _back(
        "the healer is half-way when the end is written", by.healer_half_way, HEALER, task_exit=5
    )


SCENARIOS: tuple[Scenario, ...] = tuple(_scenarios())
SIGNS: tuple[tuple[str, str], ...] = (
    ("refuses the other", REFUSED),
    ("answers differ", ANSWERS),
    ("requests failed", ERRORS),
    ("died or began anew", DIED),
    ("circuit breaker", BREAKER),
    ("tasks failed to start", BREAKER),
    ("took its place", REPLACED),
    ("must stay ACTIVE", GONE),
    ("is MISSING", GONE),
    ("must deploy anew", UNTOLD),
    ("must serve within", DEADLINE),
)
"""Words of a reason, and who noticed; the first that fits."""
