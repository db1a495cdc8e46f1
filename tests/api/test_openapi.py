"""The service against its own OpenAPI page: what it describes is what it does, and no 5xx."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import BaseModel
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import VERSION, build
from api.documents import ANSWERS, BODIES
from api.metrics import Metrics
from api.serving import Serving
from api.votes import Votes
from common.settings import load
from common.votes_writer import open_writer
from tests.api.service import Client, Place

EXAMPLES = 60
"""For each operation."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def app(promoted_place: Place, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The application in this process, with a model and a database."""
    place = Place(tmp_path_factory.mktemp("openapi"))
    place.make_table()
    metrics = Metrics()
    serving = Serving(promoted_place.registry, promoted_place.store, metrics, follow=False)
    serving.look()
    read = load(yaml_path=None, env_file=None, environ=place.addresses, flags={})
    votes = Votes(open_writer(read), metrics)
    yield build(serving=serving, votes=votes, metrics=metrics)
    votes.close()


@pytest.fixture(scope="module")
def api_schema(app: FastAPI) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", app)


OPERATIONS = [
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/model"),
    ("GET", "/metrics"),
    ("POST", "/predict"),
    ("POST", "/predict/batch"),
    ("POST", "/recommend"),
    ("POST", "/feedback"),
]
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
# To a GET nothing is sent that could be wrong.
ASKED = [(*each, POSITIVE) for each in OPERATIONS]
ASKED += [(*each, NEGATIVE) for each in OPERATIONS if each[0] == "POST"]


@pytest.mark.parametrize("method, path, kind", ASKED)
def test_it_does_what_it_describes_whatever_is_sent(
    api_schema: Any, method: str, path: str, kind: GenerationMode
) -> None:
    @given(case=api_schema[path][method].as_strategy(generation_mode=kind))
    @settings(
        max_examples=EXAMPLES if method == "POST" else 5,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS)

    check()


def page(client: Client) -> Any:
    answer = client.get("/openapi.json")
    assert answer.status == 200
    return answer.json


def test_every_example_is_answered(client: Client) -> None:
    schemas = page(client)["components"]["schemas"]
    examples = {kind.__name__: schemas[kind.__name__]["examples"][0] for kind in BODIES}

    statuses = {
        "/predict": client.post("/predict", examples["PredictRequest"]).status,
        "/predict/batch": client.post("/predict/batch", examples["BatchRequest"]).status,
        "/recommend": client.post("/recommend", examples["RecommendRequest"]).status,
        # Well formed, and never recommended
        "/feedback": client.post("/feedback", examples["FeedbackRequest"]).status,
    }

    assert statuses == {"/predict": 200, "/predict/batch": 200, "/recommend": 200, "/feedback": 404}


@pytest.mark.parametrize("kind", ANSWERS, ids=lambda kind: kind.__name__)
def test_every_answer_has_an_example_that_is_one(client: Client, kind: type[BaseModel]) -> None:
    (example,) = page(client)["components"]["schemas"][kind.__name__]["examples"]

    assert kind.model_validate(example, strict=True, extra="forbid")
    assert example.keys() == kind.model_fields.keys()


def test_who_may_need_the_key_is_told_and_no_other(client: Client) -> None:
    found = page(client)

    (scheme,) = found["components"]["securitySchemes"].values()
    assert (scheme["in"], scheme["name"]) == ("header", "X-API-Key")
    told = {path for path, each in found["paths"].items() if "security" in each.get("post", {})}
    assert told == {"/recommend", "/feedback"}
    assert told == {path for path, each in found["paths"].items() if "401" in str(each)}


def test_every_operation_has_a_name_a_summary_and_its_errors(client: Client) -> None:
    found = page(client)
    operations = [each for path in found["paths"].values() for each in path.values()]

    assert found["info"]["version"] == VERSION
    assert len(operations) == 8
    assert len({each["operationId"] for each in operations}) == 8
    assert all(each["summary"] for each in operations)
    errors = [
        answer["content"]
        for each in operations
        for status, answer in each["responses"].items()
        if status != "200"
    ]
    assert {tuple(content) for content in errors} == {("application/problem+json",)}


def test_whatever_is_referred_to_is_there(client: Client) -> None:
    found = page(client)
    names = set(_references(found))

    assert names >= {"ProblemAnswer", "RecommendAnswer", "RecommendRequest"}
    assert names <= set(found["components"]["schemas"])


def _references(value: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
