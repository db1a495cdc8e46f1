"""A registry that cannot be read, or was lost, costs no answer, and is said."""

from __future__ import annotations

import pytest

from api import loading
from common.errors import RegistryError
from tests.api.looking import LOOKS, serving, told
from tests.api.service import Place, name


def test_a_registry_that_cannot_be_read_at_start_is_asked_again(place: Place) -> None:
    path = place.folder / "registry.sqlite"
    whole = path.read_bytes()
    path.write_bytes(b"no database" * 1_000)
    found = serving(place)

    found.look()

    assert not found.state.ready
    assert "the registry must be a SQLite file" in (found.state.why or "")
    assert told(found.state)["active"] is None
    path.write_bytes(whole)
    found.look()
    assert told(found.state)["version"] == name(2)
    assert not found.state.degraded


def test_a_registry_that_fails_while_serving_costs_no_answer(place: Place) -> None:
    found = serving(place)
    found.look()
    path = place.folder / "registry.sqlite"
    whole = path.read_bytes()
    path.write_bytes(b"no database" * 1_000)

    found.look()

    assert (told(found.state)["version"], found.state.degraded) == (name(2), True)
    assert not found.state.refused
    path.write_bytes(whole)
    found.look()
    assert not found.state.degraded


@pytest.mark.parametrize("empty", [True, False])
def test_a_registry_that_was_lost_while_serving_costs_no_answer(place: Place, empty: bool) -> None:
    found = serving(place)
    found.look()
    path = place.folder / "registry.sqlite"
    whole = path.read_bytes()
    path.unlink()
    if empty:
        path.touch()

    for _ in range(LOOKS):
        found.look()

    assert (told(found.state)["version"], found.state.degraded) == (name(2), True)
    assert "up to number 2, got 0: it was lost or replaced" in (found.state.why or "")
    path.write_bytes(whole)
    found.look()
    assert not found.state.degraded


def test_a_pointer_without_its_history_is_refused(place: Place) -> None:
    active = place.registry.active()
    assert active is not None

    with pytest.raises(RegistryError, match="change number 2 to m-2"):
        loading.entry_of([], active)
