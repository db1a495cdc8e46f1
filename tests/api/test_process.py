"""`python -m api` as a process: how it starts, follows, stops, and what it says."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from api.serving import LOOK_SECONDS
from tests.api.service import (
    HOST,
    PATIENCE,
    PERSON,
    Client,
    Place,
    Running,
    environment,
    name,
    running,
    until,
)

SECRET = "unmistakable-key"


def ended(place: Place, *options: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """How the process ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "api", *options],
        cwd=place.folder,
        env=environment(place, changes),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def version(made: Running) -> Any:
    return made.client.get("/model").json["version"]


def test_it_follows_the_pointer_and_stops_when_told_to(place: Place) -> None:
    with running(place, API_KEY=SECRET) as made:
        until(lambda: made.client.get("/ready").status == 200)
        assert version(made) == name(2)

        place.promote(1)
        until(lambda: version(made) == name(1))
        assert made.client.get("/model").json["degraded"] is False
        evil = PERSON | {"hairstyle": "비밀스러운 컷"}
        assert made.client.post("/predict", evil, X_API_Key=SECRET).status == 200

        assert made.stop() == 0
        lines = made.lines()
    (asked,) = [line for line in lines if line.get("route") == "/predict"]
    assert asked["message"] == "request"
    assert (asked["status"], asked["version"]) == (200, name(1))
    # And the log has neither the key nor anything that a person sent
    text = made.log.read_text()
    assert [word for word in (SECRET, "비밀", PERSON["face_shape"]) if word in text] == []


def test_only_a_probe_that_fails_has_a_line_in_the_log(place: Place) -> None:
    registry = place.folder / "registry.sqlite"
    whole = registry.read_bytes()
    registry.write_bytes(b"no database" * 1_000)
    with running(place) as made:
        until(lambda: made.client.get("/model").json["degraded"])
        assert made.client.get("/ready").status == 503
        registry.write_bytes(whole)
        until(lambda: made.client.get("/ready").status == 200)
        assert made.client.get("/health").status == 200
        assert made.stop() == 0
        lines = [line for line in made.lines() if line["message"] == "request"]
    probed = [(line["route"], line["status"]) for line in lines if line["route"] != "/model"]
    assert set(probed) == {("/ready", 503)}


def test_behind_a_deployment_it_keeps_its_model(place: Place) -> None:
    with running(place, SERVING_URL="ecs://hairme/api") as made:
        until(lambda: made.client.get("/ready").status == 200)
        place.promote(1)

        # Then another process, as the deployment would start it, has the new one, and this the old
        with running(place, SERVING_URL="ecs://hairme/api") as other:
            until(lambda: other.client.get("/ready").status == 200)
            assert version(other) == name(1)
        time.sleep(2 * LOOK_SECONDS)  # in which whoever follows would have looked
        assert version(made) == name(2)
        assert made.client.get("/model").json["active"] == {"version": name(2), "serial": 2}


def test_it_lives_and_is_not_ready_until_the_registry_can_be_read(place: Place) -> None:
    path = place.folder / "registry.sqlite"
    whole = path.read_bytes()
    path.write_bytes(b"no database" * 1_000)
    with running(place, SERVING_URL="ecs://hairme/api") as made:
        until(lambda: made.client.get("/model").json["degraded"])
        assert made.client.get("/health").status == 200
        assert made.client.get("/ready").status == 503
        assert made.client.post("/predict", PERSON | {"hairstyle": "a"}).status == 503

        path.write_bytes(whole)
        until(lambda: made.client.get("/ready").status == 200)
        assert version(made) == name(2)
        alerts = [line for line in made.lines() if line.get("alert") == "degraded"]
    assert [line["level"] for line in alerts] == ["ERROR"]


def test_before_the_first_promotion_it_is_ready_and_says_so(empty: Place) -> None:
    with running(empty) as made:
        until(lambda: made.client.get("/ready").status == 200)
        answer = made.client.post("/predict", PERSON | {"hairstyle": "a"})

        assert answer.status == 503
        assert "none is promoted" in answer.json["value"]

        empty.serve(2)
        until(lambda: version(made) == name(2))


def test_what_was_begun_is_answered_when_it_is_told_to_stop(place: Place) -> None:
    body = json.dumps(PERSON | {"hairstyle": "2 style a"}).encode()
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with running(place) as made:
        until(lambda: made.client.get("/ready").status == 200)
        made.client.close()
        with socket.create_connection((HOST, made.client.port), timeout=PATIENCE) as begun:
            begun.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:10])
            until(lambda: len(made.lines()) > 2)
            made.process.send_signal(signal.SIGTERM)
            until(lambda: not listens(made.client.port))
            begun.sendall(body[10:])
            got = b""
            while part := begun.recv(1 << 16):
                got += part
        assert got.startswith(b"HTTP/1.1 200 OK")
        assert made.process.wait(PATIENCE) == 0


def listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_before_it_has_started_it_ends_at_once(
    place: Place, number: signal.Signals
) -> None:
    with running(place) as made:
        made.process.send_signal(number)

        assert made.process.wait(PATIENCE) == 0


def usage(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """It ended as wrong usage does: status 2, one line, no traceback."""
    assert done.returncode == 2, done
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert [word for word in words if word not in done.stderr] == [], done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("missing", ["DATABASE_URL", "STORE_URL", "REGISTRY_URL", "SERVING_URL"])
def test_without_an_address_it_does_not_start(place: Place, missing: str) -> None:
    usage(ended(place, "--port", "0", **{missing: ""}), missing, "must be set")


def test_wrong_settings_are_one_line(place: Place) -> None:
    usage(ended(place, "--port", "0", DATABASE_URL="postgres://x"), "DATABASE_URL must be one of")
    usage(ended(place, "--port", "0", "--env-file", "nowhere"), "--env-file must name a file")
    usage(
        ended(place, "--port", "0", API_KEY=SECRET, API_KEY_SECRET_ARN="arn:x"),
        "at most one of API_KEY and API_KEY_SECRET_ARN",
    )
    done = ended(place, "--port", "0", API_KEY_SECRET_ARN=SECRET)
    usage(done, "API_KEY_SECRET_ARN must be arn:aws:secretsmanager")
    assert SECRET not in done.stderr
    usage(ended(place, "--port", "0", API_KEY="e"), "the API's key must be at least 16")


def test_no_address_to_listen_at_is_none_and_not_every_one(place: Place) -> None:
    done = ended(place, "--port", "0", "--host", "")

    assert done.returncode == 2
    assert "--host: must not be empty" in done.stderr


def test_a_port_that_is_taken_is_one_line(place: Place) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = str(taken.getsockname()[1])

        usage(ended(place, "--port", port), f"got {HOST} and {port}", "choose others")


@pytest.mark.parametrize("port", ["-1", "65536", "eighty", ""])
def test_a_port_that_is_none_is_wrong_usage(place: Place, port: str) -> None:
    done = ended(place, f"--port={port}")

    assert (done.returncode, done.stderr.count("Traceback")) == (2, 0)
    assert "must be 0 to 65535" in done.stderr


def test_settings_come_from_the_file_and_from_env_too(place: Place) -> None:
    # Given the store in a settings file and the registry in .env, as the loop reads them
    others = place.addresses
    (place.folder / "settings.yaml").write_text(f"addresses:\n  store_url: {others['STORE_URL']}\n")
    (place.folder / ".env").write_text(f"REGISTRY_URL={others['REGISTRY_URL']}\n")

    with running(place, STORE_URL="", REGISTRY_URL="") as made:
        until(lambda: made.client.get("/ready").status == 200)
        assert version(made) == name(2)


def test_a_store_of_versions_is_never_written(place: Place) -> None:
    store = place.folder / "store"
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    registry = (place.folder / "registry.sqlite").read_bytes()
    with running(place) as made:
        until(lambda: made.client.get("/ready").status == 200)
        made.client.post("/recommend", PERSON)

    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before
    assert (place.folder / "registry.sqlite").read_bytes() == registry


def test_many_ask_at_once_and_all_are_answered(place: Place) -> None:
    answered = list[int]()

    def ask(port: int) -> None:
        client = Client(port)
        answered.extend(client.post("/recommend", PERSON).status for _ in range(25))
        client.close()

    with running(place) as made:
        until(lambda: made.client.get("/ready").status == 200)
        askers = [threading.Thread(target=ask, args=[made.client.port]) for _ in range(8)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()

    assert answered == [200] * 200
