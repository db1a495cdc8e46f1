"""Plays a scenario: a roll-out under load, with its fault; then looks at what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from common.registry.records import Run
from local import points
from local.faults.scenarios import HEALER, NEXT_RUN, NOBODY, PERSON, SIGNS, Scenario
from local.faults.stage import Stage
from local.faults.traffic import Seen, traffic

SOME = 8
"""Requests before the roll-out begins, and after all is over."""
TAKEN_BACK, LEFT_OPEN = "taken back: ", "left open"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What came of a scenario."""

    name: str
    noticed: str
    state: str
    exit: int | None
    task_exit: int | None
    seconds: float | None
    """From the pointer's move to the run's end; None: it has not moved."""
    serves: Sequence[tuple[str | None, str | None]]
    """Version and sha as every task says at the end, each once; a whole roll-out has one."""
    sha: str | None
    """What the registry has on record for the version that shall serve."""
    answers: int
    by_the_new: int
    """Answers of the version that was rolled out."""
    failed: Sequence[str]
    wrong: Sequence[str]
    """What must be true of the records and is not."""
    reason: str
    rollout: Sequence[str] = field(default_factory=tuple)


def play(stage: Stage, scenario: Scenario) -> Row:
    """The roll-out with its fault, from a service at rest to one at rest."""
    run_id = scenario.run_id
    stage.begin(run_id, desired=scenario.desired, settings=scenario.settings)
    with traffic(stage.cloud.service_url) as seen:
        seen.wait_for(SOME)
        steps = scenario.inject(stage)
        next(steps)
        stage.deploy(run_id, scenario.environment)
        next(steps, None)
        state = stage.cloud.wait()
        seen.wait_for(SOME)
    (task, *_) = state["tasks"]
    return _row(stage, scenario, stage.record(run_id), seen, task["containers"][0]["exitCode"])


def _row(stage: Stage, scenario: Scenario, run: Run, seen: Seen, task_exit: int) -> Row:
    history = stage.registry.history()
    moved = [each.at for each in history if (each.run_id, each.action) == (run.run_id, "promote")]
    begun, ended = moved[0] if moved else None, run.ended_at
    shas = [each.sha for each in history if each.version == scenario.serves]
    return Row(
        name=scenario.name,
        noticed=noticed(run, healed=run.run_id in stage.healed()),
        state=run.state,
        exit=run.exit,
        task_exit=task_exit,
        seconds=round((ended - begun).total_seconds(), 1) if begun and ended else None,
        serves=tuple({(model.version, model.sha) for model in stage.models()}),
        sha=shas[-1] if shas else None,
        answers=seen.versions.total(),
        by_the_new=seen.versions[scenario.run_id],
        failed=tuple(seen.failed),
        wrong=tuple(_wrong(stage, scenario)),
        reason=run.reason,
        rollout=tuple(run.rollout),
    )


def noticed(run: Run, *, healed: bool) -> str:
    """Who noticed that the version must go, and who ended it if that was somebody else."""
    if run.exit == 0:
        return NOBODY
    if run.exit == 5:
        return PERSON
    whys = [note.partition(TAKEN_BACK)[2] for note in run.rollout if TAKEN_BACK in note]
    found = [_who(why, healed=healed) for why in whys or [run.reason]]
    return ", then ".join(dict.fromkeys(found))


def _who(why: str, *, healed: bool) -> str:
    if LEFT_OPEN in why:
        return HEALER if healed else NEXT_RUN
    return next((who for words, who in SIGNS if words in why), f"nobody knows: {why}")


def _wrong(stage: Stage, scenario: Scenario) -> list[str]:
    """What is not as it must be in the registry; one restoration at most, among others."""
    wrong = points.unsound(stage.registry, stage.store, datetime.now(UTC), loads=scenario.loads)
    restored = sum(entry.action == "restore" for entry in stage.registry.history())
    return wrong + ([f"restored {restored} times"] if restored > 1 else [])


def differences(scenario: Scenario, row: Row) -> Mapping[str, object]:
    """What came of a scenario and was not to; nothing if all is as it must be."""
    wanted = (scenario.serves, row.sha)
    found: dict[str, tuple[object, object]] = {
        "state": (row.state, scenario.state),
        "exit": (row.exit, scenario.exit),
        "task_exit": (row.task_exit, scenario.exit_of_task),
        "noticed": (row.noticed, scenario.noticed),
        "serves": (set(row.serves) - {(None, None)}, {wanted} if scenario.serves else set()),
        "wrong": (row.wrong, ()),
    }
    wrong: dict[str, object] = {name: two for name, two in found.items() if two[0] != two[1]}
    if scenario.lost is not None and len(row.failed) > scenario.lost:
        wrong["failed"] = row.failed
    return wrong and {**wrong, "reason": row.reason, "rollout": row.rollout}
