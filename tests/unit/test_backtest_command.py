"""The command: what it reads, what it refuses by name, and that it writes where it is told only."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.stream import write
from common.errors import UsageError
from common.settings import Settings
from task.backtest import page
from task.backtest.command import TODAY, backtest
from tests.unit.backtests import stream, table

QUICK = Settings(base_rows=0)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("year")
    write(stream(), folder)
    return folder


def policy(folder: Path, text: str, name: str = "mine.yaml") -> str:
    path = folder / name
    path.write_text(text, "utf-8")
    return str(path)


def tried(year: Path, settings: Settings = QUICK, **changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "start": None,
        "end": None,
        "policies": [],
        "every": "1",
        "snapshot": str(year / "votes.parquet"),
        "truth_file": None,
        "output": None,
        "warn": pytest.fail,
    }
    return backtest(settings, **{**plain, **changes})


def without_minutes(found: dict[str, Any]) -> dict[str, Any]:
    policies = [{**each, "task_minutes": None} for each in found["policies"]]
    return {**found, "policies": policies}


def test_without_a_policy_the_settings_of_today_are_tried_with_the_fast_candidate(
    year: Path,
) -> None:
    found = tried(year, replace(QUICK, tolerated_loss=0.02))

    (one,) = found["policies"]
    assert one["name"] == TODAY
    assert one["settings"] == {
        "base_rows": 0,
        "candidates": "hierarchical",
        "tolerated_loss": 0.02,
    }
    assert (found["from"][:10], found["to"][:10]) == ("2025-01-01", "2025-03-12")
    assert found["votes"] == {
        "read": 600,
        "without_time": 0,
        "before": 1,
        "within": 599,
        "after": 0,
    }


def test_policies_lie_over_the_settings_of_today_and_bear_their_files_names(
    year: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    files = [
        policy(tmp_path, "deployment:\n  gate: superiority\n", "a.yaml"),
        policy(tmp_path, "training:\n  half_life_days: 30\n", "b.yaml"),
        policy(other, "data:\n  min_new_feedback: 100\n", "b.yaml"),
    ]

    found = tried(year, policies=files)

    assert [each["name"] for each in found["policies"]] == ["a", files[1], files[2]]
    assert [each["settings"]["base_rows"] for each in found["policies"]] == [0, 0, 0]
    assert found["policies"][2]["skipped"] > found["policies"][0]["skipped"]


def test_the_same_seed_gives_the_same_figures(year: Path) -> None:
    assert without_minutes(tried(year)) == without_minutes(tried(year))


def test_all_are_compared_on_the_same_votes(year: Path, tmp_path: Path) -> None:
    late = policy(tmp_path, "data:\n  min_feedback_count: 300\n")

    found = tried(year, policies=[policy(tmp_path, "", "plain.yaml"), late])

    everyone = [*found["policies"], *found["references"]]
    assert len({each["votes"] for each in everyone}) == 1
    assert everyone[0]["votes"] == sum(
        line["votes"] for line in everyone[0]["weekly"] if line["counted"]
    )
    assert found["counted_looks"] < found["looks"]


def test_votes_outside_the_days_asked_for_are_known_or_left_out_and_counted(year: Path) -> None:
    found = tried(year, start="2025-01-15", end="2025-02-11")

    assert found["looks"] == 4
    assert found["votes"] == {
        "read": 600,
        "without_time": 0,
        "before": 121,
        "within": 240,
        "after": 239,
    }
    assert found["policies"][0]["weekly"][0]["known"] == 121


def test_looks_may_be_weeks_apart(year: Path) -> None:
    assert tried(year, every="5")["looks"] == 2


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no day": ({"start": "soon"}, "--from must be a day such as 2025-01-31, got 'soon'"),
    "no end": ({"end": "2025-02-30"}, "--to must be a day .* got '2025-02-30': correct it"),
    "backwards": (
        {"start": "2025-02-02", "end": "2025-02-01"},
        "--to must not lie before --from, got --from 2025-02-02 --to 2025-02-01: swap",
    ),
    "every": ({"every": "0"}, "--every must be a whole number of weeks from 1 to 520, got '0'"),
    "a part": ({"every": "1.5"}, "--every must be a whole number of weeks .* got '1.5'"),
    "one week": (
        {"start": "2025-01-01", "end": "2025-01-07"},
        "at least two weeks .* must have votes, got 1: one is learned from .* move --from or --to",
    ),
    "no votes there": (
        {"start": "2026-01-01"},
        "votes must have come after --from and before --to, got none: the first one came 2025",
    ),
    "no snapshot": ({"snapshot": "none.parquet"}, "--snapshot must be a votes.parquet"),
    "no truth": ({"truth_file": "none.npz"}, "--truth must be an .npz file"),
    "no policy": ({"policies": ["none.yaml"]}, "none.yaml must be readable"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_with_rule_value_and_remedy(name: str, year: Path) -> None:
    changes, says = WRONG[name]

    with pytest.raises(UsageError, match=says) as raised:
        tried(year, **changes)

    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("deployment:\n  gait: harm\n", "deployment has no setting 'gait'; .*gate"),
        ("deploy:\n  gate: harm\n", "section 'deploy' does not exist"),
        ("deployment:\n  gate: gut\n", "gate must be .*harm"),
        ("addresses:\n  work_dir: here\n", "a policy may set data, training, .* got work_dir of"),
        ("scheduler:\n  lease_seconds: 9\n", "got lease_seconds of scheduler: remove it"),
        ("- gate\n", "must hold `name: value` lines, got list"),
        ("a: [", "must be valid YAML"),
    ],
    ids=["key", "section", "value", "addresses", "scheduler", "a list", "no YAML"],
)
def test_a_policy_that_is_none_is_refused(text: str, says: str, year: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        tried(year, policies=[policy(tmp_path, text)])


def test_a_policy_given_twice_is_refused(year: Path, tmp_path: Path) -> None:
    file = policy(tmp_path, "")

    with pytest.raises(UsageError, match="each --policy must be another file"):
        tried(year, policies=[file, file])


def test_a_file_of_other_columns_is_no_snapshot(year: Path, tmp_path: Path) -> None:
    path = tmp_path / "votes.parquet"
    pq.write_table(pa.table({"group": ["a"]}), path)

    with pytest.raises(UsageError, match=r"--snapshot must be .* other columns; name one of"):
        tried(year, snapshot=str(path))


def test_votes_without_a_time_are_counted_and_named_when_there_are_no_others(
    year: Path, tmp_path: Path
) -> None:
    votes = table(stream()).to_pandas()
    some, none = tmp_path / "some.parquet", tmp_path / "none.parquet"
    for path, missing in ((some, slice(0, 50)), (none, slice(None))):
        votes.loc[votes.index[missing], "feedback_at"] = None
        pq.write_table(pa.Table.from_pandas(votes, schema=table(stream()).schema), path)

    assert tried(year, snapshot=str(some))["votes"]["without_time"] == 50
    with pytest.raises(UsageError, match="votes with a time, got 600 votes without any"):
        tried(year, snapshot=str(none))


def test_nothing_is_written_but_the_output(
    year: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a home with addresses that nobody has made yet
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    settings = replace(
        QUICK,
        store_url=(tmp_path / "store").as_uri(),
        registry_url=f"sqlite:///{tmp_path / 'registry.sqlite'}",
    )

    tried(year, settings)
    assert list(tmp_path.iterdir()) == []

    tried(year, settings, output=str(tmp_path / "out"))
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {
        "out",
        "out/backtest.html",
        "out/backtest.json",
    }


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(
    year: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="--output must be a folder that can be made"):
        tried(year, output=str(tmp_path / "file" / "out"), snapshot="none")


class _Page(HTMLParser):
    """Which tags there are, and that each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_and_the_figures_tell_the_same(year: Path, tmp_path: Path) -> None:
    file = policy(tmp_path, "training:\n  personal: true\n", "<b>mine.yaml")

    found = tried(year, policies=[file], output=str(tmp_path), truth_file=str(year / "truth.npz"))

    assert json.loads((tmp_path / "backtest.json").read_text("utf-8")) == found
    text = (tmp_path / "backtest.html").read_text("utf-8")
    reader = _Page()
    reader.feed(text)
    assert reader.open == []
    assert reader.tags.count("polyline") == 5  # the policy, newest, first, constant, truth
    assert "<b>" not in text
    assert "http" not in text
    assert f"{found['policies'][0]['log_loss']:.4f}" in text
    assert "a person&#x27;s own offset would not ship" in text


def test_a_policy_that_never_serves_is_told_and_nothing_is_drawn(
    year: Path, tmp_path: Path
) -> None:
    strict = policy(tmp_path, "deployment:\n  min_accuracy: 1.0\n")

    found = tried(year, policies=[strict])

    assert found["counted_looks"] == 0
    assert found["policies"][0]["log_loss"] is None
    assert found["policies"][0]["refusals"]["floor_accuracy"] == 9
    assert "No policy ever put a model into service, so no week counts." in found["notes"]
    assert "there is nothing to draw" in page.page(found)
