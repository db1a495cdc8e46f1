"""What is wrong before the first Sunday: every address is tried, and every fault has its remedy.

    python -m task doctor

Each check runs whether or not an earlier one failed, so that one look shows all there is to
mend. Run it as the user who will run the loop: what may be written depends on who asks. It
leaves nothing behind but an empty store and registry where there was none, and takes no lease,
so it may run at any time. On AWS that user is the task's role: run the task with the command
`doctor` instead of `run`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from common.credentials import chosen
from common.database import RDS, Database, open_votes, server_address
from common.errors import AlreadyExistsError, RetrainError
from common.queries import TABLE, create_index, vote_columns
from common.registry.records import utc_text
from common.serving.watch import Expected, check, verify_of
from common.store import Store
from common.store.directory import DirectoryStore
from task import pipeline, publish, versions
from task.rollout import unproved
from task.stages import Loop

if TYPE_CHECKING:
    from common.store.s3 import S3Store

Answer = Literal["ok", "warn", "fault"]
SKEW = timedelta(minutes=5)
"""Clocks further apart than this are warned of: votes would seem to come from the future."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check: what was looked at, the answer, and what was seen or is to be done."""

    name: str
    answer: Answer
    says: str


Check = Callable[[], tuple[Answer, str]]


def examine(loop: Loop) -> list[Finding]:
    """All checks, in the order a run would meet what they look at."""
    return [
        _try("password", lambda: _password(loop)),
        *_database(loop),
        *_store(loop),
        _try("registry", lambda: _registry(loop)),
        _try("active version", lambda: _active(loop)),
        _try("hold", lambda: _hold(loop)),
        _try("lease", lambda: _lease(loop)),
        _try("serving", lambda: _serving(loop)),
        _try("work folder", lambda: _folder("WORK_DIR", loop.settings.work_dir)),
        _try("log folder", lambda: _folder("LOG_DIR", loop.settings.log_dir)),
        _try("torch", lambda: _torch(loop.settings.candidates)),
    ]


def _try(name: str, check: Check) -> Finding:
    """The check's answer; an error is a fault, and its text has the remedy."""
    try:
        answer, says = check()
    except RetrainError as error:
        answer, says = "fault", str(error)
    return Finding(name=name, answer=answer, says=says)


def _password(loop: Loop) -> tuple[Answer, str]:
    source, url = chosen(loop.settings), loop.settings.database_url or ""
    if url.startswith("sqlite:"):
        return "ok", "a file needs none"
    if source.renewable:
        source.login(server_address(url))
    return "ok", source.seen


def _database(loop: Loop) -> Iterator[Finding]:
    asked = loop.now()
    try:
        db = open_votes(loop.settings)
    except RetrainError as error:
        yield Finding(name="database", answer="fault", says=str(error))
        return
    answered = loop.now()
    with db:
        yield Finding(name="database", answer="ok", says=f"{db.kind}, answers")
        yield _try("rights", lambda: _rights(loop, db))
        yield _try("encryption", lambda: _encryption(loop, db))
        yield _try("clock", lambda: _clock(db, asked, answered))
        table = _try("table", lambda: _table(db))
        yield table
        if table.answer == "ok":
            yield _try("index", lambda: _index(db))
            yield _try("times", lambda: _times(db))
            yield _try("votes", lambda: _votes(loop, db))


def _table(db: Database) -> tuple[Answer, str]:
    votes = sum(name.startswith("style_") and name.endswith("_feedback") for name in db.columns())
    return "ok", f"{TABLE} with {votes} votes a row"


def _rights(loop: Loop, db: Database) -> tuple[Answer, str]:
    if not db.can_write():
        return "ok", "may read only"
    if db.kind == "sqlite" and (loop.settings.serving_url or "").startswith("http"):
        return "ok", "this user may write the file, as the API on this machine must"
    if db.kind == "sqlite":
        return (
            "warn",
            "this user may write the file: the loop never does, a reading right is enough",
        )
    return "warn", (
        "this user may do more than read: give the loop one of its own with "
        f"GRANT SELECT ON {TABLE} alone"
    )


def _index(db: Database) -> tuple[Answer, str]:
    if db.has_feedback_index():
        return "ok", "feedback_at is indexed"
    statement = create_index(vote_columns(db.columns()))
    return "warn", f"reading what changed will be slow without an index: {statement}"


def _times(db: Database) -> tuple[Answer, str]:
    if not (count := db.count_untimed()):
        return "ok", f"feedback_at is {db.columns()['feedback_at'].upper()}, and can be read"
    return "warn", (
        f"{count:,} voted rows have a feedback_at that is no time, such as 2026-00-15 or "
        "9999-12-31: they are learned from and never new; write the true time, or NULL"
    )


def _encryption(loop: Loop, db: Database) -> tuple[Answer, str]:
    if db.kind == "sqlite":
        return "ok", "a file needs none"
    if db.tls_in_use():
        return "ok", f"TLS, {_verified_by(loop.settings.db_ca)}"
    host = server_address(loop.settings.database_url or "").host
    return "ok", f"none, and {host} is this machine"


def _verified_by(ca: str | None) -> str:
    if ca is None:
        return "not verified: no DB_CA"
    return "verified by Amazon's authorities of RDS" if ca == RDS else "verified by DB_CA"


def _clock(db: Database, asked: datetime, answered: datetime) -> tuple[Answer, str]:
    theirs = db.clock()
    apart = max(asked - theirs, theirs - answered, timedelta(0))
    says = f"{apart.total_seconds():.0f} s from this machine's"
    if apart > SKEW:
        return "warn", f"{says}: set both by a time server, or new votes are told wrong"
    return "ok", says


def _votes(loop: Loop, db: Database) -> tuple[Answer, str]:
    votes = pipeline.counted(loop, db)
    seen = f"{votes.total:,} votes, {votes.new:,} of them new"
    too_few = pipeline.enough(votes, loop.settings)
    return "ok", f"{seen}; a run now would be skipped ({too_few})" if too_few else seen


def _store(loop: Loop) -> Iterator[Finding]:
    probe = f"doctor/{loop.now():%Y%m%dT%H%M%S%f}"
    found = _try("store", lambda: check_store(loop.store, probe))
    yield found
    if found.answer == "ok" and not isinstance(loop.store, DirectoryStore):
        yield versions_kept(loop.store)


def versions_kept(bucket: S3Store) -> Finding:
    """Older versions are for people's mistakes: the loop itself never overwrites a model."""
    answer: Answer = "warn"
    try:
        says = "the bucket keeps no older versions of an object: turn versioning on"
        if bucket.is_versioned():
            answer, says = "ok", "the bucket keeps older versions of an object"
    except RetrainError as error:
        says = str(error)
    return Finding(name="older versions", answer=answer, says=says)


def check_store(store: Store, key: str) -> tuple[Answer, str]:
    """Write, read, try to create twice and delete an object of our own."""
    store.put(key, b"probe")
    try:
        if store.read(key) != b"probe":
            return "fault", "an object must read back as written: mend what STORE_URL names"
        try:
            store.create(key, b"other")
        except AlreadyExistsError:
            pass
        else:
            return "fault", (
                "an object must not be created twice: use a file system with links, or S3 itself"
            )
    finally:
        store.delete(key)
    if store.exists(key):
        return "fault", "an object must be gone once deleted: mend what STORE_URL names"
    return "ok", f"writes, reads and deletes; {len(versions.published(store))} versions"


def _registry(loop: Loop) -> tuple[Answer, str]:
    registry = loop.registry
    runs, changes = registry.runs(), registry.history()
    registry.check_writable()
    return "ok", f"{len(runs)} runs, {len(changes)} changes of the active version"


def _active(loop: Loop) -> tuple[Answer, str]:
    publish.check_pair(loop.store, loop.registry)
    active = loop.registry.active()
    if active is None or active.version is None:
        return "ok", "none yet: the first run makes it"
    versions.checked(loop.store, active.version)
    return "ok", f"{active.version} is whole and passes its self-test"


def _hold(loop: Loop) -> tuple[Answer, str]:
    hold = loop.registry.hold()
    if hold is None:
        return "ok", "promotion is free"
    since = utc_text(hold.since)
    return "warn", f"nothing is promoted since {since} ({hold.reason}) until `resume`"


def _lease(loop: Loop) -> tuple[Answer, str]:
    lease = loop.registry.lease()
    if lease is None:
        return "ok", "free"
    if lease.held(loop.now()):
        return "ok", f"{lease.owner} holds it until {utc_text(lease.expires_at)}"
    return "warn", f"{lease.owner} died with it; the next run takes it over and says so"


def _serving(loop: Loop) -> tuple[Answer, str]:
    service, verify = loop.service, verify_of(loop.settings)
    if service is None:
        return "ok", "none: a promotion is not proved in service"
    service.check()
    active = loop.registry.active()
    if (missing := unproved(service, verify)) or active is None:
        return "ok", f"{service} is there; {missing or 'no version is active yet'}"
    shas = [each.sha for each in loop.registry.history() if each.version == active.version]
    expected = Expected(version=active.version, sha=shas[-1] or None)
    apis = service.tasks(service.stage(None).deployment)
    check(apis, expected, verify)
    return "ok", f"{len(apis)} tasks of {service} serve {active.version or 'no version'}"


def _folder(setting: str, name: str) -> tuple[Answer, str]:
    try:
        Path(name).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=name) as probe:
            probe.write(b"probe")
            probe.flush()
    except OSError as error:
        return "fault", (
            f"{setting} must be a folder that can be written, got {name}: {error.strerror}; "
            f"set {setting} to another place"
        )
    return "ok", f"{name} can be written"


def _torch(candidates: str) -> tuple[Answer, str]:
    if candidates == "hierarchical":
        return "ok", "not needed: candidates is hierarchical"
    try:
        import torch
    except (ImportError, OSError) as error:
        return "fault", (
            f"candidates={candidates} needs torch, which cannot be imported ({error}): install "
            "requirements.txt, or set candidates to hierarchical"
        )
    return "ok", f"version {torch.__version__}"
