"""What is asked of the registry in DynamoDB alone: its address, its items, and others at work."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from common.errors import (
    RegistryError,
    UsageError,
)
from common.registry import Registry, open_registry
from common.registry.records import FORMAT_VERSION, Hold
from tests.contract.cloud import Cloud
from tests.contract.steps import START, after, launch, promote, running

HOLD = Hold(since=START, reason="a person's", version="m-1")
NOWHERE = "http://127.0.0.1:9"


def items(cloud: Cloud, table: str) -> dict[str, dict[str, Any]]:
    """Every item as it stands in the table, by its sort key."""
    found = cloud.dynamodb().scan(TableName=table, ConsistentRead=True)["Items"]
    return {item["sk"]["S"]: dict(item) for item in found}


def write_item(cloud: Cloud, table: str, key: str, **attributes: str) -> None:
    item = {"pk": "registry", "sk": key} | attributes
    cloud.dynamodb().put_item(
        TableName=table, Item={name: {"S": value} for name, value in item.items()}
    )


# --- the address


@pytest.mark.parametrize(
    "url",
    [
        "dynamodb://",
        "dynamodb:///registry",
        "dynamodb://registry/",
        "dynamodb://registry?region=us-east-1",
        "dynamodb://key:hunter2@registry",
        "dynamodb://my registry",
        "dynamodb://r",
    ],
)
def test_an_address_that_names_no_table_is_refused_without_repeating_its_secrets(url: str) -> None:
    with pytest.raises(UsageError, match="REGISTRY_URL must be dynamodb://TABLE") as refused:
        open_registry(url)

    assert "hunter2" not in str(refused.value)


def test_without_a_region_the_address_leads_nowhere(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    with pytest.raises(UsageError, match="NoRegionError: set AWS_REGION"):
        open_registry("dynamodb://registry")


# --- the items


def test_the_table_has_one_item_per_record_in_one_partition_and_none_expires_by_itself(
    other: Registry, cloud: Cloud, table: str
) -> None:
    promote(other, "m-1", 0)
    launch(other, "m-2")

    found = items(cloud, table)

    assert sorted(found) == ["ACTIVE", "HISTORY#0000000001", "LEASE", "META", "RUN#m-2"]
    assert {item["pk"]["S"] for item in found.values()} == {"registry"}
    assert {frozenset(item) for item in found.values()} == {
        frozenset({"pk", "sk", "item", "stamp"})
    }
    assert json.loads(found["ACTIVE"]["item"]["S"])["version"] == "m-1"
    assert json.loads(found["META"]["item"]["S"]) == {"format_version": FORMAT_VERSION}


def test_an_expired_lease_that_is_still_in_the_table_is_taken_over(
    other: Registry, cloud: Cloud, table: str
) -> None:
    launch(other, "m-1")
    assert "LEASE" in items(cloud, table)

    launch(other, "m-2", after(10))

    lease = json.loads(items(cloud, table)["LEASE"]["item"]["S"])
    assert (lease["run_id"], lease["fencing"]) == ("m-2", 2)


def test_a_lifted_hold_leaves_no_text_behind(other: Registry, cloud: Cloud, table: str) -> None:
    other.set_hold(HOLD)

    other.clear_hold()

    assert other.hold() is None
    assert set(items(cloud, table)["HOLD"]) == {"pk", "sk", "stamp"}


def test_all_runs_and_changes_are_read_however_many_pages_they_fill(other: Registry) -> None:
    # Given records of more than the megabyte that one answer holds
    much = {"text": "x" * 350_000}
    for number in range(4):
        run, lease = running(other, f"m-{number}", after(number))
        promote(other, f"m-{number}", number, metrics=much, now=after(number))
        other.finish(replace(run, state="skipped", metrics=much), lease, now=after(number))

    assert [run.run_id for run in other.runs()] == ["m-3", "m-2", "m-1", "m-0"]
    assert [entry.serial for entry in other.history()] == [1, 2, 3, 4]


def test_a_registry_of_a_newer_format_is_neither_read_nor_written(
    other: Registry, cloud: Cloud, table: str
) -> None:
    newer = json.dumps({"format_version": FORMAT_VERSION + 1})
    write_item(cloud, table, "META", item=newer, stamp="1")
    actions: list[Callable[[], object]] = [other.active, lambda: promote(other, "m-1", 0)]

    for action in actions:
        with pytest.raises(RegistryError, match="upgrade"):
            action()

    assert list(items(cloud, table)) == ["META"]


def test_the_first_write_moves_a_table_of_an_older_format_up(
    other: Registry, cloud: Cloud, table: str
) -> None:
    older = json.dumps({"format_version": FORMAT_VERSION - 1})
    write_item(cloud, table, "META", item=older, stamp="1")
    assert other.active() is None
    assert json.loads(items(cloud, table)["META"]["item"]["S"]) == json.loads(older)

    other.set_hold(HOLD)

    meta = json.loads(items(cloud, table)["META"]["item"]["S"])
    assert meta == {"format_version": FORMAT_VERSION}
    assert other.hold() == HOLD


@pytest.mark.parametrize("item", ["{", "[]", "{}", '{"format_version": 1}', "null"])
def test_a_damaged_item_is_an_error_and_never_no_champion(
    other: Registry, cloud: Cloud, table: str, item: str
) -> None:
    promote(other, "m-1", 0)
    write_item(cloud, table, "ACTIVE", item=item, stamp="1")
    actions: list[Callable[[], object]] = [other.active, lambda: promote(other, "m-2", 0)]

    for action in actions:
        with pytest.raises(RegistryError, match="restore it from a backup"):
            action()


def test_an_item_that_something_else_wrote_is_an_error(
    other: Registry, cloud: Cloud, table: str
) -> None:
    promote(other, "m-1", 0)
    write_item(cloud, table, "ACTIVE", item="{}")

    with pytest.raises(RegistryError, match="bear a stamp, got none on ACTIVE"):
        other.active()


# --- AWS that is not there or not ours


def test_a_table_that_is_not_there_is_an_error_and_not_an_empty_registry(cloud: Cloud) -> None:
    registry = open_registry("dynamodb://absent")
    actions: list[Callable[[], object]] = [registry.active, registry.runs, registry.check_writable]

    for action in actions:
        with pytest.raises(RegistryError, match=r"ResourceNotFoundException.*REGISTRY_URL"):
            action()


def test_a_table_with_other_keys_is_refused(cloud: Cloud) -> None:
    cloud.dynamodb().create_table(
        TableName="other-keys",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )

    with pytest.raises(RegistryError, match="string keys pk and sk"):
        open_registry("dynamodb://other-keys").active()


def test_without_credentials_the_remedy_is_named(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it keeps those it found once

    with pytest.raises(RegistryError, match="NoCredentialsError: give this process a role"):
        open_registry("dynamodb://registry").active()


def test_an_aws_that_cannot_be_reached_is_an_error(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)

    with pytest.raises(RegistryError, match=r"EndpointConnectionError.*reaches AWS"):
        open_registry("dynamodb://registry").active()
