"""A run is replayed from its snapshot: the same bytes come out, whatever became of its model."""

from __future__ import annotations

import json

from tests.e2e.conftest import WORLD, vote
from tests.e2e.home import Done, Home, clear


def agrees(done: Done) -> None:
    assert done.exit == 0, done
    assert done.result["agrees"] is True
    assert set(done.result["same"]) == {"model", "metadata", "table", "folds", "self_test"}


def test_a_run_that_published_a_model_is_replayed_to_the_byte(trained: Home) -> None:
    version = trained.last_run().run_id
    before = trained.champion(), trained.registry.runs()

    done = trained.task("replay", version)

    agrees(done)
    assert done.result["largest_difference"] == 0.0
    assert (trained.champion(), trained.registry.runs()) == before


def test_a_run_that_published_nothing_is_replayed_by_its_digests(trained: Home) -> None:
    # Given a run that was rejected, with settings and base data of its own
    base = trained.folder / "base.csv"
    base.write_text(
        "face_shape,skin_tone,hairstyle,score,feedback\n"
        + "계란형,웜톤,가일컷,0.9,like\n긴형,쿨톤,댄디컷,0.1,dislike\n" * 50,
        "utf-8",
    )
    vote(trained, WORLD, 20, seed=8)
    rejected = trained.run("--real-weight", "0", "--seed", "3", "--base-csv", str(base))
    assert (rejected.exit, rejected.state) == (0, "rejected"), rejected
    assert rejected.result["run_id"] not in trained.published()
    base.unlink()

    # When it is replayed, it needs nothing but what was stored
    done = trained.task("replay", rejected.result["run_id"])

    agrees(done)
    assert done.result["largest_difference"] is None


def test_a_replay_with_other_votes_does_not_agree(trained: Home) -> None:
    # Given a record that claims other bytes than its votes give
    run_id = trained.last_run().run_id
    path = trained.store / "runs" / run_id / "run.json"
    record = json.loads(path.read_text("utf-8"))
    record["settings"]["real_data_weight"] = 1.5
    path.write_text(json.dumps(record), "utf-8")

    done = trained.task("replay", run_id)

    assert done.exit == 1
    assert done.result["agrees"] is False
    assert 0 < done.result["largest_difference"] < 1


def test_a_run_that_trained_nothing_cannot_be_replayed(trained: Home) -> None:
    skipped = trained.run()
    assert skipped.state == "skipped"

    clear(trained.task("replay", skipped.result["run_id"]), 1, skipped.result["run_id"])
