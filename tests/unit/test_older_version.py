"""A version that the release before made is read, verified and self-tested by this one."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from common.errors import ArtifactError
from common.store import open_store
from task import publish, versions
from task.snapshot import SCHEMA

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
