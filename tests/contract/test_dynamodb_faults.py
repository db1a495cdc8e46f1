"""What the registry in DynamoDB promises when others are at work, and when AWS falters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from common.aws import client
from common.errors import (
    AlreadyClaimedError,
    LeaseHeldError,
    LeaseLostError,
    NotDoneError,
    RegistryError,
)
from common.registry import Registry
from common.registry.dynamodb import DynamoTable
from common.registry.records import Hold, Run
from tests.contract.proxy import Proxy, cancel, cut_after, cut_before, meanwhile, pass_on, refuse
from tests.contract.steps import START, after, claim, everything, launch, promote, running

HOLD = Hold(since=START, reason="a person's", version="m-1")


# --- others at work


def test_a_launch_that_another_overtook_sees_the_others_lease(
    proxied: Registry, other: Registry, proxy: Proxy
) -> None:
    # Given a launch that found the lease free, and another between its reading and its writing
    proxy.fail("TransactWriteItems", meanwhile(lambda: launch(other, "m-2")), pass_on)

    with pytest.raises(LeaseHeldError, match="m-2"):
        launch(proxied, "m-1")

    assert [run.run_id for run in other.runs()] == ["m-2"]
    assert proxy.seen.count("TransactWriteItems") == 1, "the second time there was nothing to write"


def test_two_who_note_something_on_one_run_lose_neither(
    proxied: Registry, other: Registry, proxy: Proxy
) -> None:
    launch(other, "m-1")
    told = other.run("m-1")
    assert told is not None
    proxy.fail("TransactWriteItems", meanwhile(lambda: other.mark_alerted(told, START)), pass_on)

    proxied.note_task("m-1", "arn:task/1")

    run = other.run("m-1")
    assert run is not None
    assert (run.task_arn, run.alerted_at) == ("arn:task/1", START)


def test_a_lease_lost_between_reading_and_writing_promotes_nothing(
    proxied: Registry, other: Registry, proxy: Proxy
) -> None:
    run, lease = running(other, "m-1")
    proxy.fail("TransactWriteItems", meanwhile(lambda: launch(other, "m-2", after(10))), pass_on)

    with pytest.raises(LeaseLostError, match="m-2/cli"):
        promote(proxied, "m-1", 0, lease=lease, run=replace(run, state="promoted"))

    assert (other.active(), other.history()) == (None, [])
    closed = other.run("m-1")
    assert closed is not None
    assert closed.state == "failed"


def test_a_hold_set_between_reading_and_writing_stops_the_promotion(
    proxied: Registry, other: Registry, proxy: Proxy
) -> None:
    # The hold is only read: a condition on what is written would not see it.
    promote(other, "m-1", 0)
    proxy.fail("TransactWriteItems", meanwhile(lambda: other.set_hold(HOLD)), pass_on)

    with pytest.raises(NotDoneError, match="resume"):
        promote(proxied, "m-2", 1)

    assert [entry.version for entry in other.history()] == ["m-1"]


def test_a_registry_that_others_change_all_the_time_is_an_error_in_the_end(
    proxied: Registry, other: Registry, proxy: Proxy
) -> None:
    proxy.fail("TransactWriteItems", cancel("None", "TransactionConflict"))

    with pytest.raises(RegistryError, match=r"its turn within 0.2 s.*run again"):
        launch(proxied, "m-1")

    assert proxy.seen.count("TransactWriteItems") > 1
    assert everything(other) == (None, [], None, None, [])


def test_a_heartbeat_in_the_midst_of_a_promotion_costs_neither(
    proxied: Registry, other: Registry, proxy: Proxy
) -> None:
    # The lease that was read is renewed before the promotion arrives.
    run, lease = running(other, "m-1")
    renew = meanwhile(lambda: other.renew(lease, lease_seconds=600, now=after(9)))
    proxy.fail("TransactWriteItems", renew, pass_on)

    promote(proxied, "m-1", 0, lease=lease, run=replace(run, state="promoted"), now=after(9))

    kept = other.lease()
    assert kept is not None
    assert kept.expires_at == after(19)
    assert [entry.run_id for entry in other.history()] == ["m-1"]


def test_two_claims_that_cross_leave_one_owner(
    proxied: Registry, other: Registry, proxy: Proxy
) -> None:
    launch(other, "m-1")
    proxy.fail("TransactWriteItems", meanwhile(lambda: claim(other, "m-1", "t2")), pass_on)

    with pytest.raises(AlreadyClaimedError):
        claim(proxied, "m-1", "t1")

    run = other.run("m-1")
    assert isinstance(run, Run)
    assert run.owner == "m-1/t2"


def test_nothing_is_judged_by_what_may_be_out_of_date(other: Registry, table: str) -> None:
    asked: list[bool] = []
    watched = client("dynamodb")
    for operation in ("GetItem", "Query"):
        watched.meta.events.register(
            f"provide-client-params.dynamodb.{operation}",
            lambda params, **_: asked.append(params.get("ConsistentRead", False)),
        )
    registry = Registry(DynamoTable(watched, table))

    running(registry, "m-1")
    everything(registry)

    assert len(asked) > 10
    assert all(asked)


# --- faults


PASSING = {
    "throttled": refuse(400, "ThrottlingException"),
    "over its rate": refuse(400, "ProvisionedThroughputExceededException"),
    "an inner error": refuse(500, "InternalServerError"),
    "unavailable": refuse(503, "ServiceUnavailable"),
    "not reached": cut_before,
    "the answer lost": cut_after,
}
CANCELLED = {
    "another transaction": cancel("None", "TransactionConflict", "None"),
    "a condition": cancel("ConditionalCheckFailed", "None"),
    "throttled within": cancel("None", "ThrottlingError"),
    "over its rate within": cancel("ProvisionedThroughputExceeded"),
}


@pytest.mark.parametrize("operation", ["GetItem", "TransactWriteItems"])
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_passes_is_not_noticed(
    proxied: Registry, proxy: Proxy, fault: Any, operation: str
) -> None:
    proxy.fail(operation, fault, fault, pass_on)

    promote(proxied, "m-1", 0)

    assert [entry.version for entry in proxied.history()] == ["m-1"]
    assert proxy.seen.count(operation) > 1


@pytest.mark.parametrize("fault", CANCELLED.values(), ids=CANCELLED.keys())
def test_a_transaction_that_was_cancelled_for_a_passing_reason_is_made_anew(
    proxied: Registry, proxy: Proxy, fault: Any
) -> None:
    proxy.fail("TransactWriteItems", fault, fault, pass_on)

    promote(proxied, "m-1", 0)

    assert [entry.version for entry in proxied.history()] == ["m-1"]
    assert proxy.seen.count("TransactWriteItems") == 3


def test_a_promotion_whose_answer_never_comes_is_made_once_and_known_to_be(
    proxied: Registry, proxy: Proxy
) -> None:
    proxy.fail("TransactWriteItems", cut_after)

    entry = promote(proxied, "m-1", 0)

    assert proxied.history() == [entry]
    active = proxied.active()
    assert active is not None
    assert active.serial == entry.serial == 1


class Cut:
    """A client whose writing arrives, but from its answer on the network is gone for a while."""

    def __init__(self, made: Any, outage: int) -> None:
        self._made, self._left = made, 0
        self._outage = outage

    def transact_write_items(self, **request: Any) -> None:
        self._made.transact_write_items(**request)
        self._left = self._outage
        raise EndpointConnectionError(endpoint_url="dynamodb")

    def get_item(self, **request: Any) -> Any:
        if self._left:
            self._left -= 1
            raise EndpointConnectionError(endpoint_url="dynamodb")
        return self._made.get_item(**request)


def test_a_promotion_is_known_to_be_made_though_even_looking_fails_for_a_while(
    other: Registry, table: str
) -> None:
    cut: Any = Cut(client("dynamodb"), outage=3)
    registry = Registry(DynamoTable(cut, table, patience_seconds=20))

    entry = promote(registry, "m-1", 0)

    assert other.history() == [entry]


def test_a_lifting_of_the_hold_whose_answer_never_comes_says_that_there_was_one(
    proxied: Registry, proxy: Proxy
) -> None:
    proxied.set_hold(HOLD)
    proxy.fail("TransactWriteItems", cut_after)

    assert proxied.clear_hold() is True
    assert proxied.hold() is None


@pytest.mark.parametrize(
    "fault",
    [*list(PASSING.values())[:5], cancel("ValidationError"), cancel("TransactionConflict", "Else")],
    ids=[*list(PASSING)[:5], "never possible", "one reason that stays"],
)
def test_a_fault_that_stays_is_an_error_and_nothing_is_written(
    proxied: Registry, other: Registry, proxy: Proxy, fault: Any
) -> None:
    proxy.fail("TransactWriteItems", fault)

    with pytest.raises(RegistryError, match="must be a DynamoDB table that can be"):
        promote(proxied, "m-1", 0)

    assert everything(other) == (None, [], None, None, [])
    assert proxy.seen.count("TransactWriteItems") <= 5


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (refuse(400, "AccessDeniedException"), "AccessDeniedException to GetItem: allow this"),
        (refuse(400, "UnrecognizedClientException"), "UnrecognizedClientException.*a role"),
        (refuse(400, "ExpiredTokenException"), "ExpiredTokenException.*a role"),
        (refuse(400, "ThrottlingException"), "ThrottlingException.*too busy"),
        (refuse(500, "InternalServerError"), "InternalServerError.*AWS is up"),
        (cut_before, "ConnectionClosedError.*reaches AWS"),
    ],
    ids=["no right", "wrong key", "old token", "throttled", "AWS's fault", "cut"],
)
def test_what_aws_refuses_is_said_with_its_remedy_and_never_read_as_nothing(
    proxied: Registry, proxy: Proxy, fault: Any, says: str
) -> None:
    proxy.fail("GetItem", fault)
    reads: list[Callable[[], object]] = [
        proxied.active,
        proxied.runs,
        proxied.lease,
        lambda: proxied.run("m-1"),
        proxied.check_writable,
    ]

    for read in reads:
        with pytest.raises(RegistryError, match=says) as refused:
            read()
        assert "said" not in str(refused.value), "AWS's sentence may name more than the reader may"
