"""Whatever is sent, the answer is one of ours: problem+json with rule, value and remedy."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from starlette.types import Message

from api.metrics import Metrics
from api.middleware import MAX_BODY, Edge
from api.model import Model
from api.problems import MOST_FAULTS
from tests.api.service import HOST, PATIENCE, PERSON, Answer, Client, Service

GOOD = PERSON | {"hairstyle": "2 style a"}
MEMBERS = {"type", "title", "status", "rule", "value", "remedy", "request_id"}


def problem(answer: Answer, status: int) -> dict[str, Any]:
    """The members of a whole problem of this status."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json
    assert found.keys() == MEMBERS
    assert found["status"] == status
    assert found["request_id"] == answer.headers["x-request-id"]
    assert all(found[member] for member in MEMBERS)
    return found


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe\xfa",
        '{"face_shape": "계란형"}'.encode("utf-16"),
        '{"hairstyle": "컷"}'.encode("euc-kr"),
        b'{"hairstyle": "\xed\xa0\x80"}',  # half a surrogate pair
        b'{"hairstyle": "\\ud800"}',
        b"[" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"k": 1' + b"0" * 5_000 + b"}",
        b"\x00" * 100,
        json.dumps(GOOD).encode() + b"x",
    ],
    ids=lambda body: f"{body[:12]!r}+{len(body)}",
)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/recommend", "/feedback"])
def test_what_is_no_json_in_utf8_is_malformed(client: Client, path: str, body: bytes) -> None:
    found = client.post(path, body)

    assert found.status in (400, 422), found  # a number of 5,000 digits is JSON, but none of ours
    problem(found, found.status)


@pytest.mark.parametrize(
    "path, content, says",
    [
        ("/predict", [], "the body"),
        ("/predict", "text", "the body"),
        ("/predict", None, "the body"),
        ("/predict", PERSON, "hairstyle: field required"),
        ("/predict", GOOD | {"hairstyel": 1}, "hairstyel"),
        ("/predict", GOOD | {"hairstyle": 5}, "hairstyle: input should be a valid string"),
        ("/predict", GOOD | {"hairstyle": "x" * 1_001}, "hairstyle: .* at most 1000 characters"),
        ("/predict", GOOD | {"hairstyle": "a" + "\u0301" * 31}, "hairstyle: .* 30 combining marks"),
        ("/predict", {"hairstyle": "a"}, "personal_color or skin_tone must be given"),
        ("/predict", GOOD | {"skin_tone": "쿨톤"}, "skin_tone must be that of personal_color"),
        ("/recommend", PERSON | {"k": 0}, "k: .* greater than or equal to 1"),
        ("/recommend", PERSON | {"k": 51}, "k: .* less than or equal to 50"),
        ("/recommend", PERSON | {"k": "5"}, "k: .* integer"),
        ("/recommend", PERSON | {"k": True}, "k: .* integer"),
        ("/recommend", PERSON | {"k": 5.0}, "k: .* integer"),
        ("/recommend", PERSON | {"exclude": ["x"] * 101}, "exclude: .* at most 100 items"),
        ("/recommend", PERSON | {"record": "yes"}, "record: .* boolean"),
        ("/feedback", {"recommendation_id": "1; DROP"}, "recommendation_id: .* pattern"),
        ("/feedback", {"feedback": "love"}, "feedback|recommendation_id"),
    ],
)
def test_a_wrong_field_is_named_with_what_it_must_be(
    client: Client, path: str, content: object, says: str
) -> None:
    found = problem(client.post(path, content), 422)

    assert re.search(says, found["rule"]), found


def test_a_long_or_strange_value_is_not_given_back_whole(client: Client) -> None:
    found = problem(client.post("/predict", GOOD | {"hairstyle": "\x07" + "x" * 5_000}), 422)

    assert len(found["value"]) < 100
    assert "\x07" not in found["value"]


def test_faults_without_end_are_counted_and_not_listed(client: Client) -> None:
    many = {f"field {number}": 1 for number in range(MOST_FAULTS)}

    found = problem(client.post("/predict", GOOD | many | {"one": "more"}), 422)

    assert found["value"] == f"{MOST_FAULTS + 1} faults"
    assert problem(client.post("/predict", GOOD | many), 422)["rule"].startswith("field 0: ")
    items = client.post("/predict/batch", {"items": [GOOD, GOOD | many | {"one": "more"}]}).json
    assert items["items"][1]["error"]["value"] == found["value"]


def test_an_unknown_path_and_a_wrong_method_are_problems_too(client: Client) -> None:
    problem(client.get("/nope"), 404)
    problem(client.get("/page/../../etc/passwd"), 404)
    assert client.get("/predict").headers["allow"] == "POST"
    problem(client.get("/predict"), 405)
    problem(client.ask("DELETE", "/model", None), 405)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "json", ""])
def test_another_content_type_is_refused(client: Client, kind: str) -> None:
    problem(client.post("/predict", GOOD, Content_Type=kind), 415)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_the_content_type_may_be_written_in_any_way(client: Client, kind: str) -> None:
    assert client.post("/predict", GOOD, Content_Type=kind).status == 200


def exchange(port: int, *parts: bytes, ends: int = 1) -> bytes:
    """The problems that come back for bytes that are sent as they are."""
    with socket.create_connection((HOST, port), timeout=PATIENCE) as connection:
        for part in parts:
            connection.sendall(part)
        got = b""
        while got.count(b"}") < ends:
            got += connection.recv(1 << 16)
    return got


HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_a_body_that_says_it_is_too_large_is_not_waited_for(client: Client) -> None:
    got = exchange(client.port, HEAD + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1))

    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in got


def test_a_body_in_chunks_is_counted_as_it_comes(client: Client) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    enough = MAX_BODY // 0x10000 + 1

    # The last chunk never comes: the answer does not wait for it
    got = exchange(client.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * enough)

    assert got.startswith(b"HTTP/1.1 413 ")


def test_the_connection_of_a_body_that_was_too_large_goes_on(client: Client) -> None:
    large = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1)
    body = b" " * (MAX_BODY + 1)

    got = exchange(client.port, large, body, b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", ends=2)

    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"413", b"404"]


def test_the_largest_body_that_is_allowed_is_read(client: Client) -> None:
    content = json.dumps(GOOD).encode()

    assert client.post("/predict", content.ljust(MAX_BODY)).status == 200
    problem(client.post("/predict", content.ljust(MAX_BODY + 1)), 413)


def test_a_body_in_chunks_is_answered_like_another(client: Client) -> None:
    parts = json.dumps(GOOD).encode()
    chunks = [parts[:10], parts[10:11], parts[11:]]

    answer = client.ask("POST", "/predict", iter(chunks), {"Content-Type": "application/json"})

    assert answer.status == 200


def test_who_leaves_in_mid_body_troubles_nobody(shared: Service) -> None:
    for _ in range(5):
        with socket.create_connection((HOST, shared.client.port)) as gone:
            gone.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")

    assert shared.client.get("/health").status == 200
    assert b'hairme_errors_total{kind="unexpected"} 0.0' in shared.metrics.text()


@pytest.mark.parametrize("given", ["a", "7f-._A", "x" * 64])
def test_a_request_keeps_its_id(client: Client, given: str) -> None:
    assert client.get("/health", X_Request_ID=given).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"b', "../x", "\xe9"])
def test_an_id_that_could_do_harm_is_replaced(client: Client, given: str) -> None:
    found = client.get("/health", X_Request_ID=given).headers["x-request-id"]

    assert found != given
    assert len(found) == 16


@pytest.fixture
def failing() -> Iterator[None]:
    """A bug of ours in the middle of an answer."""
    with mock.patch.object(Model, "predict", side_effect=ZeroDivisionError("secret 계란형")):
        yield


def test_a_bug_is_a_problem_with_an_id_that_the_log_has(
    shared: Service, failing: None, caplog: pytest.LogCaptureFixture
) -> None:
    found = problem(shared.client.post("/predict", GOOD), 500)

    assert "secret" not in json.dumps(found)
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert vars(record)["request_id"] == found["request_id"]
    assert b'hairme_errors_total{kind="unexpected"} 1.0' in shared.metrics.text()


def test_every_answer_says_not_to_keep_it_nor_to_guess_its_type(client: Client) -> None:
    for answer in (client.get("/"), client.get("/model"), client.get("/nope")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_may_run_its_own_script_alone(client: Client) -> None:
    answer = client.get("/")

    policy = answer.headers["content-security-policy"]
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert b"<script>" not in answer.body


def test_of_many_wrong_names_the_first_alone_is_looked_at(client: Client) -> None:
    found = problem(client.post("/recommend", PERSON | {"exclude": [0] * 100_000}), 422)

    assert "more)" not in found["value"]


def test_a_request_that_never_comes_whole_is_answered_when_the_process_stops() -> None:
    sent: list[Message] = []

    async def stopped() -> None:
        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            sent.append(message)

        async def app(*_: object) -> None:
            raise AssertionError

        edge = Edge(app, metrics=Metrics(), routes=["/predict"], handlers={})
        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
        task = asyncio.create_task(edge(scope, receive, send))
        await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(stopped())

    head, body = sent
    assert head["status"] == 503
    assert (b"content-type", b"application/problem+json") in head["headers"]
    assert "before the service stops" in json.loads(body["body"])["rule"]
