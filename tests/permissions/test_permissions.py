"""Permissions, proved both ways, on the template that is deployed and the code that is."""

from __future__ import annotations

from tests.permissions.calls import NEEDS
from tests.permissions.conftest import Play
from tests.permissions.forbidden import forbidden
from tests.permissions.iam import allowed
from tests.permissions.page import PATH, page
from tests.permissions.played import STACKS, Proven
from tests.permissions.proof import idle, refused
from tests.permissions.reach import ENDPOINTS, called_from_network


def test_all_that_is_called_is_allowed(proven: Proven) -> None:
    """Given every call of functions and task, and the platform's own, Then none is denied."""
    assert [str(need) for need in refused(proven.stack, proven.needs)] == []


def test_no_right_could_be_taken_away_unnoticed(proven: Proven) -> None:
    """When any one action–resource pair is removed, Then a call or a platform row is denied."""
    assert [str(right) for right in idle(proven.stack, proven.needs)] == []


def test_what_a_role_must_never_do_is_denied(proven: Proven) -> None:
    stack = proven.stack
    found = [
        f"{role} may {request}: {why}"
        for role, request, why in forbidden(stack)
        if allowed(stack.policies[role], request)
    ]
    assert found == []


def test_each_row_of_the_call_table_is_for_a_call_that_is_made(played: Play) -> None:
    """A row that nobody uses would be a right that waits to be given."""
    made = {
        (call.service, call.operation)
        for name in STACKS
        for calls in played(name).calls.values()
        for call in calls
    }
    assert set(NEEDS) - made == set()


def test_the_network_is_asked_for_every_service_that_is_called_from_it(played: Play) -> None:
    """Given the calls of trigger and task, Then each service has endpoints, and no other."""
    stack = played("standalone").stack
    called = called_from_network(played("standalone"))
    endpoints = stack.template.of_type("AWS::EC2::VPCEndpoint").values()
    assert not any("PolicyDocument" in endpoint for endpoint in endpoints), "it would deny too"
    there = {
        str(endpoint["ServiceName"]).rpartition(f"{stack.template.region}.")[2]
        for endpoint in endpoints
    }
    assert {name for service in called for name in ENDPOINTS[service]} == there


def test_the_page_is_what_was_recorded(played: Play) -> None:
    # If not: python -m tests.permissions.page
    assert PATH.read_text(encoding="utf-8") == page(played(name) for name in STACKS)
