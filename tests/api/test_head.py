"""HEAD on a path is GET on it without the body, as load balancers and link checkers ask."""

from __future__ import annotations

import pytest

from tests.api.service import Client

PATHS = ["/", "/page/page.js", "/health", "/ready", "/model", "/openapi.json"]


@pytest.mark.parametrize("path", PATHS)
def test_head_answers_as_get_does_without_the_body(client: Client, path: str) -> None:
    full, head = client.get(path), client.ask("HEAD", path, None, {})

    assert (head.status, head.body) == (200, b"")
    same = ("content-type", "content-length", "cache-control", "content-security-policy")
    assert [head.headers.get(name) for name in same] == [full.headers.get(name) for name in same]


def test_every_route_that_is_read_answers_head(client: Client) -> None:
    described = client.get("/openapi.json").json["paths"]
    read = [path for path, methods in described.items() if "get" in methods]

    assert {path: client.ask("HEAD", path, None, {}).status for path in read} == {
        path: client.get(path).status for path in read
    }


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/predict", 405)])
def test_head_elsewhere_is_refused_as_get_is(client: Client, path: str, status: int) -> None:
    assert client.ask("HEAD", path, None, {}).status == status
