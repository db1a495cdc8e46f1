"""What is made of the answers of an API, right and wrong: over real HTTP on this machine."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from common.errors import ServingError, UnreachableError
from common.serving import answers
from common.serving.answers import Api, Model
from tests.unit.serving import QUESTIONS, FakeApi, fake_api

ITEMS = [question.item for question in QUESTIONS]
ASKS: dict[str, Callable[[Api], object]] = {
    "/model": Api.model,
    "/predict/batch": lambda api: api.predict(ITEMS),
    "/health": Api.check_health,
    "/metrics": Api.errors,
}


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with fake_api() as made:
        yield made


def test_an_api_tells_its_model_its_errors_and_its_predictions(fake: FakeApi) -> None:
    # Given
    fake.begin("m-one", "1f")
    fake.refused, fake.why, fake.active, fake.errors = True, "m-two is damaged", "m-two", 7

    # Then
    assert fake.api.model() == Model(
        version="m-one",
        sha="1f",
        refused=True,
        why="m-two is damaged",
        active="m-two",
        since="process 1",
    )
    assert fake.api.errors() == 7
    fake.api.check_health()
    assert [each["like"] for each in fake.api.predict(ITEMS)] == [q.like for q in QUESTIONS]


def test_an_api_without_a_model_says_so(fake: FakeApi) -> None:
    fake.instead["/model"] = (200, b'{"version": null, "sha": null, "active": null}')

    assert fake.api.model() == Model(
        version=None, sha=None, refused=False, why="", active=None, since=""
    )


def test_what_is_no_text_is_never_taken_for_no_version(fake: FakeApi) -> None:
    fake.instead["/model"] = (200, b'{"version": 7, "sha": 8, "why": 9, "active": 10}')

    found = fake.api.model()

    assert (found.version, found.sha, found.why, found.active) == ("7", "8", "9", None)


@pytest.mark.parametrize("path", ["/model", "/predict/batch"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>", id="no JSON"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"\xff\xfe{}", id="no text"),
        pytest.param(b"[" * 100_000, id="too deep"),
    ],
)
def test_an_answer_that_is_no_json_object_is_an_error_with_its_remedy(
    fake: FakeApi, path: str, body: bytes
) -> None:
    fake.instead[path] = (200, body)

    with pytest.raises(ServingError, match="must answer with a JSON object") as caught:
        ASKS[path](fake.api)

    assert "set verify to health" in str(caught.value)
    assert "html" not in str(caught.value)


@pytest.mark.parametrize(
    "items",
    [None, [], [{}] * (len(ITEMS) - 1), [{}] * (len(ITEMS) + 1), ["like"] * len(ITEMS), {"a": 1}],
)
def test_as_many_answers_as_items_are_needed(fake: FakeApi, items: object) -> None:
    fake.instead["/predict/batch"] = (200, json.dumps({"items": items}).encode())

    with pytest.raises(ServingError, match="must answer 5 items with as many objects"):
        fake.api.predict(ITEMS)


@pytest.mark.parametrize("path", ASKS)
@pytest.mark.parametrize("status", [500, 503, 404, 401, 304])
def test_any_other_status_than_200_is_an_error(fake: FakeApi, path: str, status: int) -> None:
    fake.instead[path] = (status, b"")

    with pytest.raises(ServingError, match=f"{path} must answer 200, got {status}"):
        ASKS[path](fake.api)


@pytest.mark.parametrize("path", ASKS)
def test_an_address_where_nobody_listens_is_told_from_one_that_answers_wrong(path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(UnreachableError, match="URLError"):
        ASKS[path](Api(f"http://127.0.0.1:{port}"))


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"])
def test_an_api_that_answers_too_slowly_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(answers, "SECONDS", 0.05)

    with raw(sent, stays=True) as api, pytest.raises(UnreachableError, match=r"within 0.05 s"):
        api.model()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", id="cut short"),
        pytest.param(b"", id="hung up"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, id="an endless header"),
    ],
)
def test_a_connection_that_goes_wrong_is_no_answer(sent: bytes) -> None:
    with raw(sent) as api, pytest.raises(ServingError, match="must answer"):
        api.model()


def test_no_more_is_read_of_an_answer_than_any_answer_has(
    fake: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "LONGEST", 100)
    fake.instead["/model"] = (200, b'{"version": "' + b"x" * 1_000 + b'"}')

    with pytest.raises(ServingError, match="must answer with a JSON object"):
        fake.api.model()


def test_proxies_of_the_environment_are_not_used(
    fake: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    fake.begin("m-one", "1f")

    assert fake.api.model().version == "m-one"


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ('hairme_errors_total{kind="unexpected"} 0.0', 0),
        ('hairme_errors_total{kind="unexpected"} 12', 12),
        ('hairme_errors_total{kind="unexpected"} 1.2345678e+07', 12_345_678),
        (
            'hairme_errors_total{kind="database"} 9.0\nhairme_errors_total{kind="unexpected"} 2.0',
            2,
        ),
    ],
)
def test_only_requests_that_failed_unexpectedly_are_counted(
    fake: FakeApi, text: str, errors: int
) -> None:
    fake.instead["/metrics"] = (200, f"# HELP\n{text}\n".encode())

    assert fake.api.errors() == errors


@pytest.mark.parametrize(
    "text",
    [
        "",
        'hairme_errors_total{kind="database"} 0.0',
        'hairme_errors_total{kind="unexpected"} NaN',
        'hairme_errors_total{kind="unexpected"} +Inf',
        'hairme_errors_total{kind="unexpected"} 1.0\nhairme_errors_total{kind="unexpected"} 1.0',
        "\xff",
    ],
)
def test_an_api_that_counts_no_errors_is_never_taken_for_one_without(
    fake: FakeApi, text: str
) -> None:
    fake.instead["/metrics"] = (200, text.encode("latin-1"))

    with pytest.raises(ServingError, match="must have hairme_errors_total of kind unexpected once"):
        fake.api.errors()


class raw:  # noqa: N801 - used as a function
    """An API that sends these bytes to the first who asks, and hangs up or stays."""

    def __init__(self, sent: bytes, *, stays: bool = False) -> None:
        self._sent, self._stays = sent, threading.Event()
        if not stays:
            self._stays.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Api:
        self._thread.start()
        return Api(f"http://127.0.0.1:{self._server.getsockname()[1]}")

    def __exit__(self, *_: object) -> None:
        self._stays.set()
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        client, _ = self._server.accept()
        with client, suppress(OSError):
            client.recv(65_536)
            client.sendall(self._sent)
            self._stays.wait(10)
