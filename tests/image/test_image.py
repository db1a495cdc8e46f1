"""The task's image, run as AWS runs it: what is in it, a whole run, and a signal to stop.

`make test-image` builds it and runs these; they are not part of `make test`.
"""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from typing import Any

import pytest

from common.registry.records import LIVE_STATES
from local.mariadb import READER_PASSWORD
from tests.image.conftest import DIGEST, FIRST, TASK, TASK_ARN, VOTES, Loop
from tests.image.container import PYTHON, Ended, Image, probed

pytestmark = pytest.mark.image

STOPPED = "s-20261129T020000Z"
LARGEST = 1_300  # MB; with CUDA it would be three times that
# A training that does not end by itself.
ENDLESS = {"RETRAIN_MAX_EPOCHS": "100000", "RETRAIN_EARLY_STOPPING_PATIENCE": "100000"}


@pytest.fixture(scope="module")
def seen(image: Image, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a program finds in a container."""
    return probed(image, tmp_path_factory.mktemp("probe"))


def test_the_image_says_who_runs_what(image: Image) -> None:
    assert image.config["User"] == "10001:10001"
    assert image.config["Entrypoint"] == [PYTHON, "-m", "task"]
    assert image.config["Cmd"] == ["run"]
    assert image.config["Volumes"] == {"/tmp": {}}
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.revision"] == image.built.revision
    assert "org.opencontainers.image.source" in labels


def test_the_image_shows_nothing_of_the_machine_that_built_it(image: Image) -> None:
    assert "PIP_" not in image.history
    assert "/mnt/host" not in image.history
    names = {pair.partition("=")[0] for pair in image.config["Env"]}
    assert [name for name in names if name.startswith(("PIP_", "AWS_", "DB_"))] == []


def test_the_task_is_the_first_process_of_a_user_without_rights(seen: dict[str, Any]) -> None:
    assert (seen["uid"], seen["gid"], seen["groups"]) == (10001, 10001, [])
    assert seen["pid"] == 1
    assert seen["capabilities"] == 0
    assert seen["user"] == "task"


def test_nothing_but_tmp_can_be_written(seen: dict[str, Any]) -> None:
    assert seen["refused"] == dict.fromkeys(
        ("/", "/app", "/etc", "/opt/venv", "/var"), "Read-only file system"
    )
    assert seen["writable"] == ["/tmp"]


def test_torch_is_the_cpu_build(seen: dict[str, Any], image: Image) -> None:
    assert seen["cuda"] is None
    assert seen["gpu_packages"] == []
    assert image.built.megabytes < LARGEST


def test_neither_tools_nor_tests_nor_other_rooms_are_shipped(seen: dict[str, Any]) -> None:
    assert seen["tools"] == []
    assert seen["wheels"] == []
    assert seen["test_folders"] == []
    assert seen["rooms"] == ["common", "task"]


def test_every_module_of_ours_is_compiled_and_up_to_date(seen: dict[str, Any]) -> None:
    """A read-only container would compile it again at every start."""
    assert seen["modules"] > 50
    assert seen["not_compiled"] == []


def test_doctor_finds_no_fault(loop: Loop) -> None:
    done = loop.task("doctor")

    assert done.exit == 0, done
    answers = {check["name"]: check["answer"] for check in done.result["checks"]}
    assert set(answers.values()) == {"ok"}, done.out
    assert {"encryption", "store", "registry", "torch"} <= set(answers)


def test_a_whole_run_ends_promoted_in_the_bucket_and_in_the_table(loop: Loop, first: Ended) -> None:
    assert first.exit == 0, first
    assert first.result["state"] == "promoted"
    assert first.result["counts"]["votes"] > 0.9 * VOTES
    registry = loop.registry()
    active = registry.active()
    assert active is not None
    assert (active.version, active.serial) == (FIRST, 1)
    assert [entry.version for entry in registry.history()] == [FIRST]
    assert loop.versions() == {FIRST}
    assert free(loop)


def test_the_logs_are_json_on_the_stream_and_tell_no_secret(first: Ended) -> None:
    lines = [json.loads(line) for line in first.err.splitlines()]

    assert {line["run_id"] for line in lines} == {FIRST}
    assert READER_PASSWORD not in first.err + first.out


def test_a_run_says_which_task_of_which_image_it_was(loop: Loop, first: Ended) -> None:
    (file,) = loop.folder.glob(f"run-*/work/{FIRST}/run.json")

    record = json.loads(file.read_text("utf-8"))

    assert record["code_revision"] == loop.image.built.revision
    assert (record["task_arn"], record["image_digest"]) == (TASK_ARN, DIGEST)
    run = loop.registry().run(FIRST)
    assert run is not None
    assert run.task_arn == TASK_ARN
    # In a container the stream is collected: there are no files of logs.
    assert list(loop.folder.glob("run-*/logs/*")) == []


def test_told_to_stop_it_frees_the_lease_closes_its_record_and_promotes_nothing(
    loop: Loop, first: Ended
) -> None:
    before = loop.registry().active()
    loop.launch(STOPPED)
    words = ["--run-id", STOPPED, "--launched", "--candidates", "embedding"]
    running = loop.start("run", *words, "--json", **ENDLESS)
    running.wait_for("prepare took")
    lease = loop.registry().lease()
    assert lease is not None
    assert (lease.owner, lease.held(datetime.now(UTC))) == (f"{STOPPED}/{TASK}", True)

    running.signal(signal.SIGTERM)
    done = running.end()

    assert done.exit == 143, done
    assert done.result["state"] == "failed"
    record = loop.registry().run(STOPPED)
    assert record is not None
    assert (record.state, record.exit) == ("failed", 143)
    assert "signal to stop" in record.reason
    assert loop.registry().active() == before
    assert loop.versions() == {FIRST}
    assert free(loop)


def test_wrong_settings_end_as_such(loop: Loop) -> None:
    done = loop.task("run", DATABASE_URL="")

    assert done.exit == 2
    assert "DATABASE_URL must be set" in done.result["reason"]


def free(loop: Loop) -> bool:
    """Whether no run is open and nobody holds the lease."""
    registry = loop.registry()
    lease = registry.lease()
    live = [run for run in registry.runs() if run.state in LIVE_STATES]
    return not live and (lease is None or not lease.held(datetime.now(UTC)))
