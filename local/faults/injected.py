"""How each thing goes wrong: what is prepared, then (yield) the roll-out starts, then the rest.

The moment of an injection is never a matter of seconds: a call of the roll-out's own is held while
it happens, or its process is killed at a call. Only what is slow by itself (a start, an outage)
takes time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGTERM

import numpy as np
from safetensors.numpy import save_file

from local import points
from local.cloud.calls import SETTING_UP
from local.cloud.client import Fault
from local.faults.stage import AFTER, FIRST, NEXT, Stage
from task import artifact, versions

Steps = Iterator[None]
Inject = Callable[[Stage], Steps]

RESTORED, ENDED = '\\"restore\\"', '\\"served\\"'
"""In the transactions by which the version before is active again, and the run ends well."""
SERVES, ANSWERED = "tasks serve it", "answers in service"
"""In the notes after every task has said what it serves, and after it was asked the questions."""
FIRST_LOOK = 2
"""Of the calls of DescribeServices: the one before is made before the pointer moves."""


def nothing(_stage: Stage) -> Steps:
    """All is well."""
    yield


def bad_api(**fault: object) -> Inject:
    """Tasks that start with the new version have this fault."""

    def inject(stage: Stage) -> Steps:
        stage.bad_api(**fault)
        yield

    return inject


# -------------------------------------------------------------------------- moments


def _held(
    stage: Stage, operation: str, kind: str = "hold", /, role: str = "task", **more: object
) -> Fault:
    """Hold a call until it is released, and what is asked again when that takes too long."""
    return stage.fault(role, _service_of(operation), operation, kind, times=0, **more)


def _service_of(operation: str) -> str:
    return "dynamodb" if operation == "TransactWriteItems" else "ecs"


def forced(stage: Stage) -> Fault:
    """The pointer has moved; the service is not told yet."""
    return _held(stage, "UpdateService")


def watching(stage: Stage) -> Fault:
    """The deployment has begun; the roll-out looks at it for the first time."""
    return _held(stage, "DescribeServices", nth=FIRST_LOOK)


def baking(stage: Stage) -> Fault:
    """Every task serves it, all answers are right, and the bake is about to begin."""
    return _held(stage, "TransactWriteItems", "hold_after", where=ANSWERED)


def arrived(stage: Stage) -> Fault:
    """Every task has said that it serves it; none has been asked anything yet."""
    return _held(stage, "TransactWriteItems", "hold_after", where=SERVES)


def ending(stage: Stage) -> Fault:
    """All is proved, and the run's end is about to be written."""
    return _held(stage, "TransactWriteItems", where=ENDED)


def at(moment: Callable[[Stage], Fault], happens: Callable[[Stage], None], **bad: object) -> Inject:
    """Something happens while the roll-out stands still at a moment."""

    def inject(stage: Stage) -> Steps:
        if bad:
            stage.bad_api(**bad)
        held = moment(stage)
        yield
        held.reached()
        happens(stage)
        held.release()

    return inject


def in_the_bake(happens: Callable[[Stage], None]) -> Inject:
    """Something happens between two looks of the bake."""

    def inject(stage: Stage) -> Steps:
        begins = baking(stage)
        yield
        begins.reached()
        held = _held(stage, "DescribeServices", nth=2)
        begins.release()
        held.reached()
        happens(stage)
        held.release()

    return inject


def dies(operation: str, kind: str, /, bad: str = "", **more: object) -> Inject:
    """The run's process is killed at a call of its own."""

    def inject(stage: Stage) -> Steps:
        if bad:
            stage.bad_api(fault=bad)
        stage.fault("task", _service_of(operation), operation, kind, **more)
        yield

    return inject


# -------------------------------------------------------------------- what happens in the store


def altered(version: str) -> Callable[[Stage], None]:
    """One file of a version is another one: its score table, with likes for dislikes."""

    def happens(stage: Stage) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = _fetched(stage, version, Path(folder))
            _swap(path)
            _put(stage, version, path / artifact.TABLE)

    return happens


def rewritten(stage: Stage) -> None:
    """Table, self-test and manifest are others, that fit each other."""
    with tempfile.TemporaryDirectory() as folder:
        path = _fetched(stage, NEXT, Path(folder))
        _swap(path)
        artifact.write_self_test(path, artifact.read_self_test(path)["cells"])
        (path / artifact.MANIFEST).write_bytes(artifact.manifest(path))
        artifact.self_test(path)  # it is whole in itself: only the registry knows better
        for name in (artifact.TABLE, artifact.SELF_TEST, artifact.MANIFEST):
            _put(stage, NEXT, path / name)


def without_target(happens: Callable[[Stage], None]) -> Inject:
    """The version before is damaged once the new one has replaced it, and that one is bad."""

    def damaged(stage: Stage) -> None:
        happens(stage)
        stage.cloud.order("pace", start_seconds=1)  # what never starts needs no longer to be seen

    return at(arrived, damaged, fault="swapped")


def deleted(version: str) -> Callable[[Stage], None]:
    """All files of a version are gone."""

    def happens(stage: Stage) -> None:
        for key in stage.store.keys(f"models/{version}/"):
            stage.store.delete(key)

    return happens


def _fetched(stage: Stage, version: str, folder: Path) -> Path:
    versions.fetch(stage.store, version, folder)
    return folder


def _swap(folder: Path) -> None:
    tensors = artifact.read_tensors(folder / artifact.TABLE)
    swapped = {**tensors, "like": np.float32(1.0) - tensors["like"]}
    save_file(swapped, folder / artifact.TABLE)


def _put(stage: Stage, version: str, file: Path) -> None:
    bucket, prefix = points.bucket(stage.cloud), points.prefix(stage.cloud)
    key = prefix + versions.key(version, file.name)
    s3 = stage.cloud.client("s3", SETTING_UP)
    assert s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"] == 1, f"no {key} to alter"
    s3.put_object(Bucket=bucket, Key=key, Body=file.read_bytes())


# --------------------------------------------------------------------------------- outages


def unreachable(service: str, *, until_restored: bool) -> Inject:
    """The API's tasks cannot reach the registry or the store, from their start on."""

    def inject(stage: Stage) -> Steps:
        stage.fault("api", service, "", "cut_before", times=0)
        yield
        if until_restored:
            stage.cloud.until(lambda _: _restored(stage))
            stage.cloud.order("clear")

    return inject


def lost(service: str) -> Callable[[Stage], None]:
    """The API's tasks cannot reach the registry or the store any more."""

    def happens(stage: Stage) -> None:
        stage.fault("api", service, "", "cut_before", times=0)

    return happens


def _restored(stage: Stage) -> bool:
    return stage.registry.history()[-1].action == "restore"


# ----------------------------------------------------------------------------- the service


def a_task_dies(stage: Stage) -> None:
    """One of the tasks that people's requests go to is killed, and replaced."""
    victim, *_ = stage.serving()
    known = {task["taskArn"] for task in stage.service["tasks"]}
    stage.cloud.order("kill", task=victim["taskArn"])
    stage.cloud.until(lambda _: any(t["taskArn"] not in known for t in stage.serving()))


def errors_begin(stage: Stage) -> None:
    """From now on every second request to the model fails, and some have."""
    flag(stage).touch()
    before = stage.service["failed"]
    stage.cloud.until(lambda _: stage.service["failed"] > before)


def flag(stage: Stage) -> Path:
    """While this file is there, the fault that waits for it is in force."""
    return stage.cloud.folder / "fault"


def errors_in_the_bake(stage: Stage) -> Steps:
    """A version that answers well until it bakes."""
    flag(stage).unlink(missing_ok=True)
    yield from at(baking, errors_begin, fault="errors", share=0.5, flag=str(flag(stage)))(stage)


def somebody_deploys(stage: Stage) -> None:
    """Another deployment takes ours's place."""
    stage.update(forceNewDeployment=True)


def stable_after_the_breaker(stage: Stage) -> Steps:
    """The breaker's own deployment is complete, with the new version: the service is "stable"."""

    def happens(stage: Stage) -> None:
        stage.cloud.until(lambda _: _is_rollback(stage))
        stage.cloud.program()
        stage.cloud.until(lambda _: _is_stable(stage))
        assert {model.version for model in stage.models()} == {NEXT}

    yield from at(watching, happens, fault="crash_at_start")(stage)


def _is_rollback(stage: Stage) -> bool:
    return "rolling back" in "".join(each["message"] for each in stage.service["events"])


def _is_stable(stage: Stage) -> bool:
    (newest, *others) = stage.service["deployments"]
    return newest["rolloutState"] == "COMPLETED" and not others


def service_is_deleted(stage: Stage) -> None:
    """Somebody deletes the service; in the end it is INACTIVE."""
    service = stage.service
    stage.ecs.delete_service(
        cluster=service["clusterArn"], service=service["serviceArn"], force=True
    )
    stage.cloud.until(lambda _: stage.service["status"] == "INACTIVE")


def refused(stage: Stage) -> Steps:
    """ECS refuses to deploy."""
    no = {"code": "AccessDeniedException", "times": 0}
    stage.fault("task", "ecs", "UpdateService", "error", **no)
    yield


# -------------------------------------------------------------------- people, and who heals


def a_person_rolls_back(stage: Stage) -> None:
    """An operator goes back to the first version meanwhile."""
    done = stage.operator("rollback", FIRST)
    assert done.exit == 0, done


def told_to_stop(stage: Stage) -> None:
    """ECS takes the task away: SIGTERM."""
    stage.cloud.order("signal", number=int(SIGTERM))


def healer_looks(stage: Stage) -> None:
    """The healer's daily look finds the roll-out under way, and leaves it alone."""
    assert stage.cloud.invoke("healer", {"check": "daily"}) == {"healed": []}


def lease_expires(stage: Stage) -> None:
    """The run stands still for so long that its lease expires, and the healer ends it."""
    _let_expire(stage)
    healed = stage.cloud.invoke("healer", {"check": "daily"})
    assert [each["run_id"] for each in healed["healed"]] == [NEXT], healed


def healer_half_way(stage: Stage) -> Steps:
    """The run wakes, and would end well, when the healer has moved the pointer and no more."""
    held = ending(stage)
    yield
    held.reached()
    _let_expire(stage)
    healing = _held(stage, "UpdateService", role="healer")
    stage.cloud.fire("healer", datetime.now(UTC))
    healing.reached()
    held.release()
    stage.cloud.until(lambda state: bool(state["tasks"][0]["told"]))
    healing.release()


def _let_expire(stage: Stage) -> None:
    lease = stage.registry.lease()
    assert lease is not None, "a run that is under way has one"
    stage.registry.renew(lease, lease_seconds=-1, now=datetime.now(UTC))


def end_refused(stage: Stage) -> Steps:
    """All is proved, but the registry refuses to keep the end."""
    no = {"code": "AccessDeniedException", "where": ENDED, "times": 0}
    stage.fault("task", "dynamodb", "TransactWriteItems", "error", **no)
    yield


def without_healer(stage: Stage) -> Steps:
    """The run is killed before it asks, the function is down, and a next run comes."""
    stage.fault("healer", "dynamodb", "", "error", code="AccessDeniedException", times=0)
    yield from dies("TransactWriteItems", "die_after", where=SERVES)(stage)
    stage.cloud.wait()
    assert stage.record(NEXT).state == "rolling_out"
    stage.run_task(AFTER, ["run", "--run-id", AFTER])


def everybody_heals(stage: Stage) -> Steps:
    """The event comes three times, and a next run begins in the midst of the healing."""
    held = _held(stage, "TransactWriteItems", role="healer", where=RESTORED)
    yield from dies("TransactWriteItems", "die_after", where=SERVES)(stage)
    held.reached()
    event = next(
        each["payload"]
        for each in stage.cloud.state()["events"]
        if each["function"].endswith("healer") and "stopCode" in each["payload"]["detail"]
    )
    stage.cloud.order("put", event=event, times=2)
    stage.cloud.until(lambda _: _is_free(stage))
    stage.run_task(AFTER, ["run", "--run-id", AFTER])
    stage.cloud.until(lambda _: _restored(stage))
    held.release()


def _is_free(stage: Stage) -> bool:
    lease = stage.registry.lease()
    return lease is None or not lease.held(datetime.now(UTC))


def replaced_before_the_kill(stage: Stage) -> Steps:
    """A task of before dies while the pointer has moved: the one in its place loads the new."""
    held = _held(stage, "UpdateService")
    yield
    held.reached()
    a_task_dies(stage)
    assert NEXT in {model.version for model in stage.models()}
    stage.cloud.order("kill")
    held.release()
