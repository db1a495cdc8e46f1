"""The stages one by one: what a person redoes by hand is what the whole run does."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from task.artifact import sha256
from tests.unit.place import Place

STAGES = ("export", "prepare", "train", "evaluate", "deploy")


def by_hand(place: Place, run_id: str = "m-b", *last: str) -> None:
    """The stages up to `last` (all by default), each by a command of its own."""
    for stage in STAGES[: STAGES.index(last[0]) + 1 if last else None]:
        place.json(stage, "--run", run_id)


def model_files(place: Place, run_id: str) -> dict[str, str]:
    names = ("model.safetensors", "table.safetensors", "self_test.json")
    return {name: sha256(place.work / run_id / "model" / name) for name in names}


def record(place: Place, run_id: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((place.work / run_id / "run.json").read_text("utf-8"))
    return found


def test_the_stages_by_hand_give_the_bytes_of_the_whole_run(unlearned: Place) -> None:
    # Given a whole run, and the same loop again without it
    other = unlearned.copy(unlearned.folder / "other")
    whole = unlearned.json("run", "--run-id", "m-b", "--full")

    # When
    by_hand(other)

    # Then model, table and self-test are the same, and so is the end
    assert model_files(other, "m-b") == model_files(unlearned, "m-b")
    assert (record(other, "m-b")["state"], other.active) == (whole["state"], "m-b")
    assert other.store.keys("models/") == unlearned.store.keys("models/")


def test_a_stage_without_run_goes_on_with_the_newest(learned: Place) -> None:
    # Given the folder of an earlier run, and a newer export
    newer = learned.json("export")["run_id"]

    # When
    prepared = learned.json("prepare")

    # Then
    assert prepared["run_id"] == newer != "m-a"


@pytest.mark.parametrize(
    ("stage", "missing"),
    [("train", "prepare"), ("evaluate", "train"), ("deploy", "evaluate")],
)
def test_a_stage_names_the_one_that_must_come_before(
    unlearned: Place, stage: str, missing: str
) -> None:
    # Given the stages before the missing one
    for earlier in STAGES[: STAGES.index(missing)]:
        unlearned.json(earlier, "--run", "m-b")

    # When
    real, dry = (unlearned.task(stage, "--run", "m-b", *more) for more in ([], ["--dry-run"]))

    # Then
    assert (real.exit, dry.exit) == (1, 1)
    assert f"`python -m task {missing} --run m-b` first" in real.err
    assert f"`python -m task {missing} --run m-b` first" in dry.err


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_stage_of_no_run_is_wrong_usage(unlearned: Place, stage: str) -> None:
    none_yet, unknown = unlearned.task(stage), unlearned.task(stage, "--run", "m-no")

    assert (none_yet.exit, unknown.exit) == (2, 2)
    assert "`python -m task export` starts" in none_yet.err
    assert "--run must name a run" in unknown.err


@pytest.mark.parametrize("stage", STAGES)
def test_a_dry_stage_changes_nothing(unlearned: Place, stage: str) -> None:
    # Given everything that the stage needs
    if stage != "export":
        by_hand(unlearned, "m-b", STAGES[STAGES.index(stage) - 1])
    before = unlearned.everything()

    # When
    said = unlearned.json(stage, "--run", "m-b", "--dry-run")

    # Then
    assert said["run_id"] == "m-b"
    assert unlearned.everything() == before


def test_a_dry_deploy_tells_how_the_run_would_end(learned: Place) -> None:
    # Given a verdict that lets nothing be promoted, since the models are the same
    by_hand(learned, "m-b", "evaluate")

    said = learned.json("deploy", "--run", "m-b", "--dry-run")

    assert said["would_end"] == "inconclusive"
    assert learned.active == "m-a"


def test_a_redone_stage_forgets_what_came_after_it(unlearned: Place) -> None:
    # Given a run that was judged
    by_hand(unlearned, "m-b", "evaluate")

    # When it is trained again, and deployed without being judged again
    unlearned.json("train", "--run", "m-b", "--real-weight", "0")
    answer = unlearned.task("deploy", "--run", "m-b")

    # Then the old verdict does not speak for the new model
    assert answer.exit == 1
    assert "verdict.json is missing" in answer.err
    assert unlearned.active is None


def test_an_option_holds_for_the_stages_after_it(unlearned: Place) -> None:
    # Given a person who asked once for base data alone and for no promotion
    unlearned.json("export", "--run", "m-b", "--real-weight", "0", "--no-auto-deploy")

    # When
    for stage in STAGES[1:-1]:
        unlearned.json(stage)
    done = unlearned.json("deploy")

    # Then
    assert done["state"] == "rejected"  # what the base data say is not what these people like
    settings = record(unlearned, "m-b")["settings"]
    assert isinstance(settings, dict)
    assert (settings["real_data_weight"], settings["auto_deploy"]) == (0.0, False)


def test_an_option_that_a_stage_fails_with_is_not_remembered(unlearned: Place) -> None:
    # Given a preparation with a file that does not exist
    unlearned.json("export", "--run", "m-b")
    answer = unlearned.task("prepare", "--base-csv", "no-such.csv")

    # Then it is wrong usage, and the next one goes on without it
    assert answer.exit == 2
    assert "base_csv must be a file" in answer.err
    assert unlearned.task("prepare").exit == 0


@pytest.mark.parametrize(
    ("stage", "option"),
    [
        pytest.param("train", ("--seed", "5"), id="the base data were drawn with the seed"),
        pytest.param("evaluate", ("--real-weight", "9"), id="the model was trained with it"),
        pytest.param("deploy", ("--seed", "5"), id="the bootstrap was drawn with the seed"),
        pytest.param("deploy", ("--min-improvement", "0.9"), id="the verdict was reached with it"),
    ],
)
def test_an_option_that_comes_too_late_is_wrong_usage(
    unlearned: Place, stage: str, option: tuple[str, str]
) -> None:
    # Given the stages that have used its value already
    by_hand(unlearned, "m-b", STAGES[STAGES.index(stage) - 1])
    before = unlearned.everything()

    # When
    answer = unlearned.task(stage, *option)

    # Then a replay could not have told which value was meant
    assert answer.exit == 2
    assert "an earlier stage has used it" in answer.err
    assert unlearned.everything() == before


def test_deploying_twice_is_done_once(unlearned: Place) -> None:
    # Given a run that ended
    by_hand(unlearned)
    before = unlearned.registry.history()

    # When it is deployed again
    answer = unlearned.task("deploy", "--json")

    # Then nothing is written, and that is no failure
    assert (answer.exit, answer.result["state"]) == (0, "skipped")
    assert "a run is carried out once" in answer.result["reason"]
    assert unlearned.registry.history() == before


def test_what_validation_stopped_goes_no_further_by_hand(unlearned: Place) -> None:
    # Given a bug upstream that made every vote a like
    unlearned.like_everything()

    # When
    exported = unlearned.task("export", "--run", "m-b", "--json")
    prepared = unlearned.task("prepare")

    # Then the command says which finding, and the next stage refuses
    assert exported.exit == 3
    stops = [each["name"] for each in exported.result["findings"] if each["answer"] == "stop"]
    assert stops == ["class_balance"]
    assert prepared.exit == 1
    assert "it stopped m-b (class_balance)" in prepared.err


@pytest.mark.parametrize(
    ("name", "stage", "made_by"),
    [
        ("votes.parquet", "prepare", "export"),
        ("cells.safetensors", "train", "prepare"),
        ("prepared.json", "train", "prepare"),
        ("verdict.json", "deploy", "evaluate"),
        ("evaluation.json", "deploy", "evaluate"),
        ("training.json", "deploy", "train"),
    ],
)
def test_a_cut_file_of_an_earlier_stage_is_named_and_can_be_made_again(
    unlearned: Place, name: str, stage: str, made_by: str
) -> None:
    # Given a file that was cut short
    by_hand(unlearned, "m-b", STAGES[STAGES.index(stage) - 1])
    path = unlearned.work / "m-b" / name
    path.write_bytes(path.read_bytes()[:40])

    # When
    answer = unlearned.task(stage)

    # Then the error says which file of which run, and what it says helps
    assert answer.exit == 1
    assert f"{name} of m-b must be whole" in answer.err
    assert f"`python -m task {made_by} --run m-b`" in answer.err
    assert "Traceback" not in answer.err
    for again in STAGES[STAGES.index(made_by) :]:
        unlearned.json(again, "--run", "m-b")
    assert unlearned.active == "m-b"


def test_export_leaves_the_votes_for_people_and_the_latest_where_they_find_it(
    unlearned: Place,
) -> None:
    # When
    exported = unlearned.json("export", "--run", "m-b")

    # Then both files hold the same votes, all of them, and the spreadsheet sees UTF-8
    own, latest = (unlearned.folder / name for name in exported["files"])
    assert own == unlearned.work / "m-b" / "real_user_data_m-b.csv"
    assert latest == unlearned.work / "real_user_data_latest.csv"
    assert own.read_bytes() == latest.read_bytes()
    assert own.read_bytes().startswith(b"\xef\xbb\xbf")
    assert len(rows(own)) == exported["counts"]["votes"]


def test_prepare_leaves_what_is_learned_from_with_the_fold_of_each_vote(unlearned: Place) -> None:
    # When
    counts = unlearned.json("export", "--run", "m-b")["counts"]
    files = unlearned.json("prepare", "--base-csv", str(base_csv(unlearned)))["files"]

    # Then it holds every vote and the base rows, and no group is in two folds
    assert [Path(name).name for name in files] == ["training_data.csv"]
    lines = rows(unlearned.folder / files[0])
    real = [row for row in lines if row["source"] == "real"]
    base = [row for row in lines if row["source"] == "base"]
    assert len(real) == counts["votes"]
    assert [row["hairstyle"] for row in base] == ["가일 컷", "'=1+1"]
    folds = {(row["group"], row["fold"]) for row in real}
    assert len(folds) == len({group for group, _ in folds}) > 100
    assert list(lines[0]) == [
        *("face_shape", "skin_tone", "hairstyle", "score", "feedback", "naver_clicked", "reason"),
        *("analysis_id", "style_index", "group", "created_at", "feedback_at", "source", "fold"),
    ]


def base_csv(place: Place) -> Path:
    path = place.folder / "base.csv"
    path.write_text(
        "face_shape,skin_tone,hairstyle,score,feedback\n"
        "계란형,웜톤,가일 컷,0.9,like\n둥근형,쿨톤,=1+1,0.1,dislike\n",
        "utf-8",
    )
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_each_stage_shows_a_person_what_came_of_it(unlearned: Place) -> None:
    shown = [unlearned.task(stage, "--run", "m-b") for stage in STAGES]

    assert [answer.exit for answer in shown] == [0] * len(STAGES)
    exported, prepared, trained, judged, deployed = (answer.out for answer in shown)
    assert "class_balance" in exported
    assert "real_user_data_latest.csv" in exported
    assert "training_data.csv" in prepared
    assert "chosen: hierarchical" in trained
    assert "self_test" in judged
    assert "promoted  m-b" in deployed
