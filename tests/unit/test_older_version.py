"""A version that the release before made is read, verified, self-tested and judged by this one."""

import json
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from common.errors import ArtifactError
from common.store import open_store
from task import artifact, publish, versions
from task.evaluate import evaluate
from task.judging import judge
from task.opponents import read_version
from task.prepare import prepare
from task.snapshot import SCHEMA
from task.tally import microseconds
from tests.compared import version
from tests.learning import NO_BASE, score_table

FIXTURE = Path(__file__).parent / "fixtures" / "version_1"


def test_every_file_of_an_older_version_has_the_digest_of_its_manifest_and_answers_as_recorded(
    tmp_path: Path,
) -> None:
    # The bytes must have come through version control as they were.
    store = open_store(f"file://{shutil.copytree(FIXTURE, tmp_path / 'store')}")

    table, sha = versions.checked(store, "m-first")

    assert versions.published(store) == ["m-first"]
    assert (table.version, table.metadata["format_version"]) == ("m-first", 1)
    assert sha in (FIXTURE / "registry.sql").read_text("utf-8")


def test_the_record_and_the_votes_of_an_older_run_are_read(tmp_path: Path) -> None:
    store = open_store(f"file://{shutil.copytree(FIXTURE, tmp_path / 'store')}")

    record = publish.run_record(store, "m-first")
    publish.fetch_run(store, record, tmp_path)

    assert (record["state"], record["settings"]["min_test_votes"]) == ("promoted", 30)
    votes = pq.read_table(tmp_path / "votes.parquet")
    assert votes.num_rows == record["counts"]["votes"] == 240
    assert votes.schema.names == SCHEMA.names


def test_an_older_version_that_was_altered_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(FIXTURE, tmp_path / "store")
    metadata = folder / "models" / "m-first" / "model.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text("utf-8")) | {"threshold": 0.1}))

    with pytest.raises(ArtifactError, match=r"model\.json must have the sha256"):
        versions.checked(open_store(f"file://{folder}"), "m-first")


def test_an_older_version_has_no_folds_and_tells_its_cutoff(tmp_path: Path) -> None:
    folder = FIXTURE / "models" / "m-first"

    found = read_version(folder)

    record = json.loads((FIXTURE / "runs" / "m-first" / "run.json").read_text("utf-8"))
    assert found.folds is None
    assert found.cutoff == microseconds(datetime.fromisoformat(record["cutoff"]))
    assert artifact.recorded_loss(artifact.read_self_test(folder)) is not None


def test_an_older_version_is_judged_on_the_side_that_it_never_learned(tmp_path: Path) -> None:
    # Given the votes that it was made from, all of them before its cutoff
    champion = read_version(FIXTURE / "models" / "m-first")
    prepared = prepare(FIXTURE / "runs" / "m-first" / "votes.parquet", NO_BASE)
    challenger = version(score_table(prepared.levels, 0.5), name="m-new")

    found = judge(challenger, champion, prepared.levels, prepared.examples)

    # Then its log-loss there is the one that its own self-test recorded
    sides = pq.read_table(FIXTURE / "runs" / "m-first" / "votes.parquet")["split"].to_pylist()
    assert found.fixed_split == sides.count("test") == len(found.examples) > 0
    assert (found.after_cutoff, found.out_of_fold) == (0, 0)
    loss = evaluate(prepared, challenger, champion, cutoff=champion.cutoff).champion
    recorded = artifact.recorded_loss(artifact.read_self_test(FIXTURE / "models" / "m-first"))
    assert loss is not None
    assert loss["log_loss"].value == pytest.approx(recorded, abs=1e-9)


def test_of_an_older_version_of_another_split_only_newer_votes_tell(tmp_path: Path) -> None:
    champion = read_version(FIXTURE / "models" / "m-first")
    other = dict(champion.table.metadata) | {"split_version": "0"}
    champion = replace(champion, table=replace(champion.table, metadata=other))
    prepared = prepare(FIXTURE / "runs" / "m-first" / "votes.parquet", NO_BASE)
    challenger = version(score_table(prepared.levels, 0.5), name="m-new")

    assert len(judge(challenger, champion, prepared.levels, prepared.examples).examples) == 0
