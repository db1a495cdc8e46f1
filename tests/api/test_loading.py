"""Only a version that is what was promoted answers; else the one before it, said and alerted."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest

from api import loading
from api.metrics import Metrics
from api.serving import Serving
from common.errors import StoreError
from common.store.directory import DirectoryStore
from task import artifact
from tests.api.looking import LOOKS, looked, serving, told
from tests.api.service import Place, name


def test_the_active_version_is_loaded_and_told(place: Place) -> None:
    before = datetime.now(UTC).replace(microsecond=0)

    answer = told(looked(place))

    assert before.isoformat().replace("+00:00", "Z") <= answer.pop("since")
    assert answer == {
        "version": name(2),
        "sha": artifact.sha256(place.file(2, "manifest.json")),
        "serial": 2,
        "previous": name(1),
        "degraded": False,
        "refused": False,
        "why": None,
        "active": {"version": name(2), "serial": 2},
    }


def alter_table(place: Place) -> None:
    path = place.file(2, "table.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def alter_table_and_manifest(place: Place) -> None:
    """Labels swapped by somebody who knows how: every digest and the self-test are made anew."""
    folder = place.file(2, "manifest.json").parent
    shutil.copytree(place.file(1, "manifest.json").parent, folder, dirs_exist_ok=True)


def spoil_self_test(place: Place) -> None:
    """Published and promoted like this: only the self-test itself can tell."""
    folder = place.file(2, "manifest.json").parent
    content = json.loads((folder / "self_test.json").read_bytes())
    content["golden"][0]["like_probability"] += 0.001
    artifact.write_json(folder / "self_test.json", content)
    (folder / "manifest.json").write_bytes(artifact.manifest(folder))
    place.promote(1)
    place.promote(2)


def cut_short(place: Place) -> None:
    path = place.file(2, "table.safetensors")
    path.write_bytes(path.read_bytes()[:100])


def lose_file(place: Place) -> None:
    place.file(2, "self_test.json").unlink()


def lose_manifest(place: Place) -> None:
    place.file(2, "manifest.json").unlink()


def newer_format(place: Place) -> None:
    folder = place.file(2, "manifest.json").parent
    content = json.loads((folder / "model.json").read_bytes()) | {"format_version": 3}
    artifact.write_json(folder / "model.json", content)
    (folder / "manifest.json").write_bytes(artifact.manifest(folder))
    place.promote(1)
    place.promote(2)


FAULTS: list[tuple[Callable[[Place], None], str]] = [
    (alter_table, "table.safetensors must have the sha256"),
    (alter_table_and_manifest, "must have the manifest that was promoted"),
    (spoil_self_test, "golden request answered"),
    (cut_short, "table.safetensors must have the sha256"),
    (lose_file, "self_test.json must have the sha256"),
    (lose_manifest, "must be a published version"),
    (newer_format, "must have format_version 2 or an older one"),
]


@pytest.mark.parametrize("fault, why", FAULTS)
def test_a_version_that_is_not_whole_never_answers_and_the_one_before_does(
    place: Place, fault: Callable[[Place], None], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault(place)
    found = serving(place, follow=False)

    for _ in range(LOOKS):
        found.look()

    answer = told(found.state)
    assert answer["refused"] is True
    assert (answer["version"], answer["active"]["version"]) == (name(1), name(2))
    assert answer["sha"] == artifact.sha256(place.file(1, "manifest.json"))
    assert answer["degraded"] is True
    assert why in answer["why"]
    assert found.state.ready
    # And one alert went out, however often it was tried
    alerts = [each for each in caplog.records if vars(each).get("alert") == "degraded"]
    assert [each.levelno for each in alerts] == [logging.ERROR]


@pytest.mark.parametrize("fault, why", FAULTS)
def test_while_running_the_version_that_answers_goes_on_until_the_new_one_can(
    place: Place, fault: Callable[[Place], None], why: str
) -> None:
    # Given the first version in service, and a fault of the second before it is promoted again
    place.promote(1)
    found = serving(place)
    found.look()
    shutil.copytree(place.folder / "store", place.folder / "whole")
    place.promote(2)
    fault(place)

    found.look()

    assert told(found.state)["version"] == name(1)
    assert why in (found.state.why or "")

    # When the version is mended, it is swapped in; a changed manifest is promoted again
    shutil.copytree(place.folder / "whole", place.folder / "store", dirs_exist_ok=True)
    place.promote(2)
    found.look()

    answer = told(found.state)
    assert (answer["version"], answer["degraded"], answer["why"]) == (name(2), False, None)


def test_a_pointer_that_moves_back_ends_the_trouble_without_loading_again(place: Place) -> None:
    place.promote(1)
    found = serving(place)
    found.look()
    before = found.state.model
    place.promote(2)
    lose_manifest(place)
    found.look()
    assert found.state.degraded

    place.promote(1)
    with mock.patch.object(loading, "load", side_effect=AssertionError):
        found.look()

    after = found.state.model
    assert before is not None
    assert after is not None
    assert (after.table, after.since) == (before.table, before.since)
    assert (after.serial, after.previous) == (before.serial + 2, name(2))
    assert not found.state.degraded


def test_behind_a_deployment_it_looks_on_while_the_version_before_answers(place: Place) -> None:
    # Given a task that could not load what is active
    lose_manifest(place)
    found = serving(place, follow=False)
    found.start()
    try:
        wait_until(lambda: found.state.ready)
        assert found.state.degraded

        # When the pointer comes back to what answers, all is well, and nobody looks any more
        place.promote(1)
        wait_until(lambda: not found.state.degraded)
        wait_until(lambda: not found._thread.is_alive())
    finally:
        found.stop()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_a_version_that_fails_is_not_tried_at_every_look(place: Place) -> None:
    place.promote(1)
    found = Serving(place.registry, place.store, Metrics(), follow=True, look_seconds=10.0)
    found.look()
    place.promote(2)
    lose_manifest(place)

    with mock.patch.object(loading, "load", wraps=loading.load) as tried:
        for _ in range(LOOKS):
            found.look()

    assert tried.call_count == 1
    assert found.state.degraded


def test_before_the_first_promotion_it_is_ready_and_has_no_model(empty: Place) -> None:
    state = looked(empty)

    assert state.ready
    assert told(state) == {
        "version": None,
        "sha": None,
        "since": None,
        "serial": None,
        "previous": None,
        "degraded": False,
        "refused": False,
        "why": None,
        "active": {"version": None, "serial": 0},
    }


def test_a_pointer_that_was_cleared_takes_the_model_out_of_service(place: Place) -> None:
    found = serving(place)
    found.look()

    place.clear()
    found.look()

    assert found.state.ready
    assert told(found.state)["version"] is None
    assert told(found.state)["active"] == {"version": None, "serial": 3}


def test_a_first_version_that_fails_leaves_nothing_to_answer_with(empty: Place) -> None:
    empty.serve(2)
    lose_manifest(empty)

    state = looked(empty)

    assert not state.ready
    assert state.degraded
    assert "there is no version before it" in (state.why or "")


def test_two_versions_that_fail_are_both_told(place: Place) -> None:
    lose_manifest(place)
    shutil.rmtree(place.file(1, "manifest.json").parent)

    found = Serving(place.registry, place.store, Metrics(), follow=True, look_seconds=60.0)
    found.look()
    state = found.state

    assert not state.ready
    assert f"{name(2)} must be a published version" in (state.why or "")
    assert f"{name(1)} must be a published version" in (state.why or "")
    # And it says the same until it is tried again
    found.look()
    assert found.state.why == state.why


def test_what_was_taken_back_never_comes_back_as_the_version_before(place: Place) -> None:
    # Given a second version that was taken back, and a first that is damaged since
    place.registry.promote(
        version=name(1),
        sha=artifact.sha256(place.file(1, "manifest.json")),
        expected_serial=place.serial(),
        action="restore",
        now=datetime.now(UTC),
    )
    place.file(1, "table.safetensors").unlink()

    state = looked(place)

    assert (state.model, state.ready) == (None, False)
    assert "there is no version before it" in (state.why or "")


def test_what_a_person_once_left_and_promoted_again_is_the_version_before(place: Place) -> None:
    place.promote(1, action="rollback")
    place.promote(2)
    place.serve(3)
    place.file(3, "table.safetensors").unlink()

    assert told(looked(place))["version"] == name(2)


def test_a_version_that_was_promoted_twice_is_not_the_one_before_itself(place: Place) -> None:
    place.promote(2)
    place.file(2, "table.safetensors").unlink()

    assert told(looked(place))["version"] == name(1)


def test_a_store_that_cannot_be_read_is_no_reason_for_another_version(place: Place) -> None:
    # Given an outage that hits the active version's files alone
    found = serving(place)
    fetch = DirectoryStore.fetch

    def outage(store: DirectoryStore, key: str, path: Path) -> None:
        if name(2) in key:
            raise StoreError("the store must answer, got a timeout: wait")
        fetch(store, key, path)

    with mock.patch.object(DirectoryStore, "fetch", outage):
        for _ in range(LOOKS):
            found.look()

    # Then nothing answers, though the one before could, and it is loaded once the store is back
    assert (found.state.model, found.state.ready) == (None, False)
    assert "got a timeout" in (found.state.why or "")
    found.look()
    assert (told(found.state)["version"], found.state.degraded) == (name(2), False)


def test_a_bug_while_looking_is_said_and_looking_goes_on(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    found = serving(place)
    with mock.patch.object(loading, "load", side_effect=ZeroDivisionError):
        found.look()

    assert "unexpected ZeroDivisionError" in (found.state.why or "")
    assert "this is a bug" in caplog.text
    found.look()
    assert not found.state.degraded
