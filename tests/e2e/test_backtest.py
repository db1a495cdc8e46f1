"""Policies are tried on a loop's own votes, and the loop stays as it is."""

from __future__ import annotations

from tests.e2e.home import Home, clear, digest


def everything(home: Home) -> dict[str, str]:
    """Each file of a loop by its digest, its log left out."""
    return {
        str(path.relative_to(home.folder)): digest(path)
        for path in home.folder.rglob("*")
        if path.is_file() and "logs" not in path.parts
    }


def test_a_policy_is_tried_on_the_votes_and_nothing_of_the_loop_is_touched(trained: Home) -> None:
    # Given a loop with a champion, and two policies
    (trained.folder / "harm.yaml").write_text("deployment:\n  gate: harm\n", "utf-8")
    (trained.folder / "old.yaml").write_text("training:\n  window_days: 14\n", "utf-8")
    before = everything(trained)

    # When they are tried
    done = trained.task(
        *("backtest", "--policy", "harm.yaml", "--policy", "old.yaml", "--output", "tried")
    )

    # Then both are told beside what they are compared with
    assert done.exit == 0, done
    found = done.result
    assert [each["name"] for each in found["policies"]] == ["harm", "old"]
    assert {each["name"] for each in found["references"]} == {
        *("newest always", "first for ever", "a constant")
    }
    assert found["votes"]["without_time"] > 0
    assert sum(found["votes"].values()) == 2 * found["votes"]["read"]
    assert found["policies"][0]["promotions"] >= 1
    # And what is new is what was asked for
    new = {name for name, sha in everything(trained).items() if before.get(name) != sha}
    assert new == {"tried/backtest.html", "tried/backtest.json"}


def test_a_table_is_printed_for_people(fresh: Home) -> None:
    from tests.e2e.home import finished

    done = finished(fresh._popen(["task", "backtest", "--every", "2"], {}))

    assert done.exit == 0, done
    assert "settings of today" in done.out
    assert "newest always" in done.out
    assert not fresh.store.exists()


def test_wrong_usage_is_named(fresh: Home) -> None:
    (fresh.folder / "wrong.yaml").write_text("deployment:\n  gait: harm\n", "utf-8")

    clear(
        fresh.task("backtest", "--from", "2025-02-02", "--to", "2025-02-01"),
        2,
        *("--to must not lie before --from", "swap"),
    )
    clear(fresh.task("backtest", "--policy", "wrong.yaml"), 2, "no setting 'gait'", "gate")
    clear(fresh.task("backtest", "--policy", "none.yaml"), 2, "none.yaml must be readable")
    clear(fresh.task("backtest", "--from", "2020-01-01", "--to", "2020-02-01"), 2, "two weeks")
    clear(fresh.task("backtest", DATABASE_URL=""), 2, "DATABASE_URL must be set")
