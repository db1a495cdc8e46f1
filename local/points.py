"""Points of a rehearsal's life: what bucket, table and votes hold, kept and put back.

    ready = points.keep(cloud, votes)
    ...                                  # something goes wrong
    points.put_back(cloud, votes, ready)

Real runs reach a point once; whatever is tried from there begins at the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common.registry import Registry
from common.registry.records import OPEN_STATES
from common.store import Store
from local.cloud.client import Cloud
from task import versions


@dataclass(frozen=True, kw_only=True)
class Point:
    """What there is at one point of a loop's life."""

    objects: Mapping[str, tuple[bytes, Mapping[str, str]]]
    items: tuple[Mapping[str, Any], ...]
    votes: bytes


def keep(cloud: Cloud, votes: Path) -> Point:
    """What there is now."""
    s3, found = cloud.client("s3"), {}
    for each in s3.list_objects_v2(Bucket=bucket(cloud)).get("Contents", []):
        got = s3.get_object(Bucket=bucket(cloud), Key=each["Key"])
        found[each["Key"]] = got["Body"].read(), got["Metadata"]
    items = cloud.client("dynamodb").scan(TableName=table(cloud))["Items"]
    return Point(objects=found, items=tuple(items), votes=votes.read_bytes())


def put_back(cloud: Cloud, votes: Path, point: Point, *, at_rest: bool = False) -> None:
    """Nothing but what there was; no tasks, no faults, and services at a desired count of 0.

    at_rest: services go on as they are.
    """
    cloud.order("reset", at_rest=at_rest)
    for key, (body, metadata) in point.objects.items():
        cloud.client("s3").put_object(Bucket=bucket(cloud), Key=key, Body=body, Metadata=metadata)
    for item in point.items:
        cloud.client("dynamodb").put_item(TableName=table(cloud), Item=item)
    votes.write_bytes(point.votes)


def bucket(cloud: Cloud) -> str:
    """The bucket of the versions."""
    return urlsplit(cloud.addresses["STORE_URL"]).netloc


def prefix(cloud: Cloud) -> str:
    """What every key in it begins with."""
    path = urlsplit(cloud.addresses["STORE_URL"]).path.strip("/")
    return path and f"{path}/"


def table(cloud: Cloud) -> str:
    """The table of the registry."""
    return urlsplit(cloud.addresses["REGISTRY_URL"]).netloc


def unsound(registry: Registry, store: Store, now: datetime, *, loads: bool = True) -> list[str]:
    """What must be true of the records whatever went wrong, and is not.

    One champion at most, which is the one on record and loads (not asked where it was damaged on
    purpose); no open run; a free lease.
    """
    active, history, wrong = registry.active(), registry.history(), []
    if [entry.serial for entry in history] != list(range(1, len(history) + 1)):
        wrong.append("the history has gaps")
    if (active is None) != (not history):
        wrong.append("pointer and history disagree on whether there is a version")
    if active is not None and history:
        if (active.version, active.serial) != (history[-1].version, history[-1].serial):
            wrong.append(f"the pointer is {active.version}, the history says {history[-1].version}")
        version = active.version if loads else None
        if version and versions.checked(store, version)[1] != history[-1].sha:
            wrong.append(f"{active.version} is not what was promoted")
    wrong += [f"{run.run_id} is open" for run in registry.runs() if run.state in OPEN_STATES]
    lease = registry.lease()
    if lease is not None and lease.held(now):
        wrong.append(f"{lease.owner} holds the lease")
    return wrong
