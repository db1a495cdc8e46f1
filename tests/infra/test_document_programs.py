"""The programs in the documents for operators, played in an emulated account."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from common.store.s3 import S3Store
from tests.infra.documents import Document

DEPLOY, RUNBOOK = Document.read("docs/deploy.md"), Document.read("docs/runbook.md")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty account of AWS, in this process."""
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


def played(program: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["-", *arguments])
    exec(compile(program, "document", "exec"), {})


@pytest.mark.usefixtures("account")
def test_a_restored_table_replaces_what_is_in_the_old_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given more items than one page or one batch holds, and others that are newer
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    types = [{"AttributeName": key["AttributeName"], "AttributeType": "S"} for key in keys]
    for name in ("old", "old-restored"):
        boto3.client("dynamodb").create_table(
            TableName=name,
            KeySchema=keys,  # type: ignore[arg-type]
            AttributeDefinitions=types,  # type: ignore[arg-type]
            BillingMode="PAY_PER_REQUEST",
        )
    old, restored = (boto3.resource("dynamodb").Table(name) for name in ("old", "old-restored"))
    good = [{"pk": "registry", "sk": f"RUN#{n:03}", "text": "x" * 20_000} for n in range(70)]
    for item in good:
        restored.put_item(Item=item)
    old.put_item(Item={"pk": "registry", "sk": "RUN#001", "text": "bad"})
    old.put_item(Item={"pk": "registry", "sk": "RUN#newer", "text": "bad"})

    # When
    (program,) = RUNBOOK.python()
    played(program, ["old-restored", "old"], monkeypatch)

    # Then
    found: list[Any] = []
    page: Any = old.scan()
    found += page["Items"]
    while "LastEvaluatedKey" in page:
        page = old.scan(ExclusiveStartKey=page["LastEvaluatedKey"])
        found += page["Items"]
    assert sorted(found, key=lambda item: item["sk"]) == good
    assert capsys.readouterr().out == "70 items\n"


@pytest.mark.usefixtures("account")
def test_a_bucket_is_emptied_of_all_its_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an object that was overwritten, and one that was deleted
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="models")
    s3.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "a", "b"):
        s3.put_object(Bucket="models", Key=key, Body=b"x")
    s3.delete_object(Bucket="models", Key="b")

    # When
    (program,) = [words[2] for words in DEPLOY.commands() if words[1:2] == ["-c"]]
    played(program, ["models"], monkeypatch)

    # Then
    s3.delete_bucket(Bucket="models")
    assert s3.list_buckets()["Buckets"] == []


@pytest.mark.usefixtures("account")
def test_a_file_that_is_copied_back_within_s3_keeps_its_digest() -> None:
    # Given a file of the store, spoiled by hand
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="models")
    s3.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": "Enabled"})
    store = S3Store(s3, "models", "store")
    store.put("models/m-1/model.json", b"good")
    key = "store/models/m-1/model.json"
    version = s3.head_object(Bucket="models", Key=key)["VersionId"]
    s3.put_object(Bucket="models", Key=key, Body=b"spoiled")

    # When: as the runbook's copy-object, which names nothing but these
    (words,) = [words for words in RUNBOOK.commands() if words[2:3] == ["copy-object"]]
    assert [word for word in words if word.startswith("--")] == [
        "--bucket",
        "--key",
        "--copy-source",
    ]
    source = words[-1].replace("$BUCKET", "models").replace("$KEY", key)
    s3.copy_object(Bucket="models", Key=key, CopySource=source.replace("VERSION_ID", version))

    # Then
    assert store.read("models/m-1/model.json") == b"good"
