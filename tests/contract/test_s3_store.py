"""What is asked of the store in S3 alone: its address, its objects, and what can befall it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from common.aws import client
from common.errors import (
    AlreadyExistsError,
    InterruptedRunError,
    MissingError,
    StoreError,
    UsageError,
)
from common.store import open_store
from common.store.s3 import S3Store
from task.interrupt import Stop
from tests.contract.cloud import Cloud
from tests.contract.proxy import (
    Proxy,
    altered,
    cut_after,
    cut_before,
    cut_within,
    meanwhile,
    pass_on,
    refuse,
)

MEGABYTE = 1 << 20
THREE_PARTS = 17 * MEGABYTE


@pytest.fixture
def bucket(cloud: Cloud) -> str:
    return cloud.bucket()


@pytest.fixture
def other(bucket: str) -> S3Store:
    """Another process's store in the bucket, which meets no faults."""
    return S3Store(client("s3"), bucket, "loop")


@pytest.fixture
def store(other: S3Store, proxy: Proxy, bucket: str) -> S3Store:
    """The store in the bucket by way of the proxy."""
    return S3Store(client("s3"), bucket, "loop")


def every_action(store: S3Store, folder: Path) -> dict[str, Callable[[], object]]:
    return {
        "PutObject": lambda: store.put("a", b"new"),
        "create": lambda: store.create("b", b"new"),
        "GetObject": lambda: store.read("a"),
        "fetch": lambda: store.fetch("a", folder / "fetched"),
        "ListObjectsV2": lambda: store.keys("models/"),
        "exists": lambda: store.exists("a"),
        "DeleteObject": lambda: store.delete("a"),
    }


# --- the address


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("", "models/m-1/a"),
        ("/", "models/m-1/a"),
        ("/loop", "loop/models/m-1/a"),
        ("/loop/", "loop/models/m-1/a"),
        ("/hairme/loop_2", "hairme/loop_2/models/m-1/a"),
    ],
)
def test_an_address_names_a_bucket_and_what_its_objects_begin_with(
    cloud: Cloud, bucket: str, path: str, name: str
) -> None:
    store = open_store(f"s3://{bucket}{path}")

    store.put("models/m-1/a", b"")

    found = cloud.s3().list_objects_v2(Bucket=bucket)["Contents"]
    assert [each["Key"] for each in found] == [name]
    assert store.keys() == ["models/m-1/a"]


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///loop",
        "s3://Models/loop",
        "s3://models/loop?versionId=1",
        "s3://models//loop",
        "s3://models/../loop",
        "s3://models/.loop",
        "s3://key:hunter2@models/loop",
        "s3://key:hunter2@models",
    ],
)
def test_an_address_that_names_no_bucket_is_refused_without_repeating_its_secrets(url: str) -> None:
    with pytest.raises(UsageError, match="STORE_URL must be s3://BUCKET") as refused:
        open_store(url)

    assert "hunter2" not in str(refused.value)


# --- the objects


def test_objects_beside_the_prefix_are_not_the_stores(
    other: S3Store, cloud: Cloud, bucket: str
) -> None:
    for name in ("loop-2/a", "loop", "a", "loop/.hidden", "loop/a person's notes"):
        cloud.s3().put_object(Bucket=bucket, Key=name, Body=b"")
    other.put("a", b"")

    assert other.keys() == ["a"]


def test_keys_are_listed_however_many_pages_they_fill(other: S3Store, bucket: str) -> None:
    for number in range(5):
        other.put(f"models/m-{number}", b"")
    paged = client("s3")
    paged.meta.events.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: params | {"MaxKeys": 2}
    )

    assert S3Store(paged, bucket, "loop").keys() == [f"models/m-{n}" for n in range(5)]


def test_a_large_file_goes_in_parts_and_comes_back_whole(
    store: S3Store, proxy: Proxy, tmp_path: Path, cloud: Cloud, bucket: str
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * (THREE_PARTS // 256))

    store.put("votes.parquet", source)
    store.fetch("votes.parquet", target)

    assert proxy.seen.count("UploadPart") == 3
    assert target.read_bytes() == source.read_bytes()
    head = cloud.s3().head_object(Bucket=bucket, Key="loop/votes.parquet")
    assert head["Metadata"] == {"sha256": sha256(source.read_bytes()).hexdigest()}


def test_an_object_that_a_person_put_there_can_be_read(
    other: S3Store, cloud: Cloud, bucket: str
) -> None:
    cloud.s3().put_object(Bucket=bucket, Key="loop/base.csv", Body=b"by hand")

    assert other.read("base.csv") == b"by hand"


def test_an_object_that_was_altered_since_it_was_put_is_refused(
    other: S3Store, cloud: Cloud, bucket: str, tmp_path: Path
) -> None:
    for name, data in (("altered", b"WHOLE"), ("shorter", b"who"), ("emptied", b"")):
        cloud.s3().put_object(
            Bucket=bucket,
            Key=f"loop/{name}",
            Body=data,
            Metadata={"sha256": sha256(b"whole").hexdigest()},
        )
        (tmp_path / name).write_bytes(b"older")

        with pytest.raises(StoreError, match=f"{name} is altered or cut short"):
            other.read(name)
        with pytest.raises(StoreError, match=f"{name} is altered or cut short"):
            other.fetch(name, tmp_path / name)

        assert (tmp_path / name).read_bytes() == b"older"
    assert len(list(tmp_path.iterdir())) == 3, "no temporary file is left"


# --- faults on the way


def test_a_bucket_that_is_not_there_is_an_error_and_not_an_empty_store(
    cloud: Cloud, tmp_path: Path
) -> None:
    store = S3Store(client("s3"), "absent", "loop")

    for action in every_action(store, tmp_path).values():
        with pytest.raises(StoreError, match=r"NoSuchBucket.*correct STORE_URL") as refused:
            action()
        assert not isinstance(refused.value, MissingError)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (refuse(403, "AccessDenied"), "AccessDenied to .*allow this process's role"),
        (refuse(403, "InvalidAccessKeyId"), "InvalidAccessKeyId.*a role"),
        (refuse(400, "ExpiredToken"), "ExpiredToken.*a role"),
        (refuse(503, "SlowDown"), "SlowDown.*too busy"),
        (refuse(500, "InternalError"), "InternalError.*AWS is up"),
        (refuse(301, "PermanentRedirect"), "PermanentRedirect.*set AWS_REGION"),
        (cut_before, "ConnectionClosedError.*reaches AWS"),
    ],
    ids=["no right", "wrong key", "old token", "busy", "AWS's fault", "wrong region", "cut"],
)
def test_a_fault_that_stays_is_an_error_with_its_remedy_and_never_nothing(
    store: S3Store, proxy: Proxy, tmp_path: Path, fault: Any, says: str
) -> None:
    for operation in ("PutObject", "GetObject", "ListObjectsV2", "DeleteObject"):
        proxy.fail(operation, fault)

    for action in every_action(store, tmp_path).values():
        with pytest.raises(StoreError, match=says) as refused:
            action()
        assert not isinstance(refused.value, MissingError | AlreadyExistsError)
        assert "said" not in str(refused.value), "AWS's sentence may name more than the reader may"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "fault",
    [refuse(503, "SlowDown"), refuse(500, "InternalError"), cut_before, cut_after],
    ids=["busy", "AWS's fault", "cut before", "cut after"],
)
def test_a_fault_that_passes_is_not_noticed(
    store: S3Store, other: S3Store, proxy: Proxy, tmp_path: Path, fault: Any
) -> None:
    other.put("a", b"old")
    for operation in ("PutObject", "GetObject", "ListObjectsV2", "DeleteObject"):
        proxy.fail(operation, fault, fault, pass_on)

    for action in every_action(store, tmp_path).values():
        action()

    assert (other.exists("a"), other.read("b")) == (False, b"new")
    assert (tmp_path / "fetched").read_bytes() == b"new"
    assert all(proxy.seen.count(name) >= 3 for name in ("PutObject", "GetObject", "DeleteObject"))


@pytest.mark.parametrize("there", [False, True], ids=["a new object", "over an older one"])
@pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload"])
def test_an_upload_that_is_cut_in_its_midst_leaves_what_was_there(
    store: S3Store, other: S3Store, proxy: Proxy, tmp_path: Path, operation: str, there: bool
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * THREE_PARTS)
    if there:
        other.put("a", b"older")
    first = [pass_on] if operation == "UploadPart" else []
    proxy.fail(operation, *first, cut_before)

    with pytest.raises(StoreError, match="write 'a'"):
        store.put("a", source)

    assert other.keys() == (["a"] if there else [])
    assert not there or other.read("a") == b"older"
    assert "AbortMultipartUpload" in proxy.seen, "parts without an object would be paid for"


@pytest.mark.parametrize("fault", [cut_within, altered], ids=["cut in its midst", "altered"])
def test_a_download_that_is_never_whole_is_an_error_and_leaves_the_file_as_it_was(
    store: S3Store, other: S3Store, proxy: Proxy, tmp_path: Path, fault: Any
) -> None:
    other.put("a", b"x" * 3 * MEGABYTE)
    (tmp_path / "here").write_bytes(b"older")
    proxy.fail("GetObject", fault)

    with pytest.raises(StoreError):
        store.read("a")
    with pytest.raises(StoreError):
        store.fetch("a", tmp_path / "here")

    assert (tmp_path / "here").read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_download_that_was_cut_is_begun_anew(
    store: S3Store, other: S3Store, proxy: Proxy, tmp_path: Path
) -> None:
    other.put("a", b"x" * 3 * MEGABYTE)
    proxy.fail("GetObject", cut_within, cut_within, pass_on)

    store.fetch("a", tmp_path / "here")

    assert (tmp_path / "here").read_bytes() == b"x" * 3 * MEGABYTE


def test_a_creation_that_meets_anothers_in_the_making_is_tried_again(
    store: S3Store, proxy: Proxy
) -> None:
    conflict = refuse(409, "ConditionalRequestConflict")
    proxy.fail("PutObject", conflict, conflict, pass_on)

    store.create("a", b"mine")

    assert store.read("a") == b"mine"


def test_a_creation_that_meets_others_in_the_making_for_ever_is_an_error(
    store: S3Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.store.s3.CONFLICT_SECONDS", 0.1)
    proxy.fail("PutObject", refuse(409, "ConditionalRequestConflict"))

    with pytest.raises(StoreError, match="conflicts on a"):
        store.create("a", b"mine")

    assert store.keys() == []


def test_a_creation_that_meets_anothers_finds_it_once_it_is_there(
    store: S3Store, other: S3Store, proxy: Proxy
) -> None:
    proxy.fail("PutObject", meanwhile(lambda: other.create("a", b"theirs")))

    with pytest.raises(AlreadyExistsError, match="a is there with other content"):
        store.create("a", b"mine")

    assert other.read("a") == b"theirs"


def test_a_creation_whose_first_answer_was_lost_knows_its_own_object(
    store: S3Store, proxy: Proxy
) -> None:
    proxy.fail("PutObject", cut_after, pass_on)

    store.create("a", b"mine")

    assert proxy.seen.count("PutObject") == 2
    assert store.read("a") == b"mine"


# --- signals


@pytest.fixture
def stop() -> Iterator[Callable[[], None]]:
    """Sends this process a signal that its handler turns into what a run is stopped by."""

    def raise_ours(_number: int, _frame: object) -> None:
        raise Stop(InterruptedRunError("told to stop"))

    before = signal.signal(signal.SIGUSR1, raise_ours)
    main = threading.main_thread().ident
    assert main is not None
    yield lambda: signal.pthread_kill(main, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("operation", ["PutObject", "GetObject", "UploadPart"])
def test_a_signal_to_stop_within_a_request_ends_it_and_is_not_taken_for_a_fault(
    store: S3Store,
    other: S3Store,
    proxy: Proxy,
    tmp_path: Path,
    operation: str,
    stop: Callable[[], None],
) -> None:
    other.put("there", b"there")
    (tmp_path / "source").write_bytes(b"x" * THREE_PARTS)
    proxy.fail(operation, meanwhile(stop))
    actions: dict[str, Callable[[], object]] = {
        "PutObject": lambda: store.put("a", b"new"),
        "GetObject": lambda: store.read("there"),
        "UploadPart": lambda: store.put("a", tmp_path / "source"),
    }

    with pytest.raises(Stop):
        actions[operation]()

    assert proxy.seen.count(operation) == 1, "the request was not sent again"
