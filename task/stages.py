"""The five stages as they touch the world: read the run's folder, call the pure core, write.

`run` calls them in a row and a person calls them one by one; there is one path for both, so
what is redone by hand is what the schedule does.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from common.aws import client
from common.database import Database, open_votes
from common.errors import ArtifactError, NotDoneError, UsageError
from common.feedback import SPLIT_VERSION
from common.healing import Healer
from common.registry import Registry, open_registry
from common.registry.records import last_verdict
from common.serving import Service, service_at
from common.serving.watch import Patience, verify_of
from common.settings import Settings, public, require
from common.store import Store, open_store
from task import (
    artifact,
    base,
    chosen,
    eprocess,
    evaluate,
    gate,
    host,
    opponents,
    prepare,
    proof,
    publish,
    train,
    validate,
)
from task.evaluate import self_test_cells
from task.extract import extract
from task.folder import RunFolder
from task.host import Host
from task.prepare import CELLS, PREPARED
from task.risk import budget
from task.snapshot import BaseSnapshot, snapshot_record
from task.tally import microseconds

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

log = logging.getLogger(__name__)

VERDICT, EVALUATION, TRAINING = "verdict.json", "evaluation.json", "training.json"


Bar = Callable[[str, int | None], AbstractContextManager[Callable[[int], None] | None]]
"""A progress bar from a title and, if known, a total."""


def _no_bar(_title: str, _total: int | None) -> AbstractContextManager[None]:
    return nullcontext()


def _ecs() -> ECSClient:
    return client("ecs")


@dataclass(frozen=True, kw_only=True)
class Loop:
    """What a command works with, made once per process: settings, clients, clocks.

    `now` is the time in UTC, `clock` gives seconds from an arbitrary start. A client is made
    when a command first asks for it, so a command needs only the addresses that it uses.
    `host` is who carries it out, `launched` whether a trigger has launched the run. `bar` shows
    progress to whoever watches, `ecs` makes the client that a service is told by, `sleep` waits
    so many seconds for it.
    """

    settings: Settings
    now: Callable[[], datetime]
    clock: Callable[[], float]
    host: Host = field(default_factory=host.here)
    full: bool = False
    launched: bool = False
    bar: Bar = _no_bar
    ecs: Callable[[], ECSClient] = _ecs
    sleep: Callable[[float], None] = time.sleep

    @cached_property
    def store(self) -> Store:
        return open_store(require(self.settings, "store_url")[0])

    @cached_property
    def registry(self) -> Registry:
        return open_registry(require(self.settings, "registry_url")[0])

    @cached_property
    def service(self) -> Service | None:
        """Who serves; None for nobody."""
        address = require(self.settings, "serving_url")[0]
        return service_at(address, self.ecs, balancer=self.settings.service_url)

    def healer(self, check: Callable[[], None] = lambda: None) -> Healer:
        """What brings versions into service and back; `check` may end a waiting by raising."""

        def sleep(seconds: float) -> None:
            self.sleep(seconds)
            check()

        return Healer(
            registry=self.registry,
            service=self.service,
            verify=verify_of(self.settings),
            patience=Patience(seconds=self.settings.rollout_seconds, clock=self.clock, sleep=sleep),
            now=self.now,
        )


def last_cutoff(loop: Loop) -> datetime | None:
    """Until when votes have been judged; None before any verdict."""
    return last_verdict(loop.registry.runs())


def known_until(loop: Loop, db: Database) -> datetime | None:
    """Until when votes have been judged, by a clock that can be believed.

    UsageError: it lies ahead of the database's clock. A full read passes that cutoff over, and
    every vote is new to it.
    """
    until = last_cutoff(loop)
    if until is not None and loop.full and db.is_ahead(until):
        log.warning("the last verdict's cutoff %s lies ahead of %s: passed over", until, db.clock())
        return None
    db.refuse_ahead(until)
    return until


def export(loop: Loop, folder: RunFolder) -> bool:
    """Read, validate and split the votes; returns whether validation lets the run go on."""
    settings = loop.settings
    with timed(loop, folder.make(), "export"), open_votes(settings) as db:
        with _base_snapshot(loop, folder, db) as earlier, loop.bar("reading", None) as progress:
            snapshot = extract(
                db,
                folder.votes,
                base=earlier,
                last_verdict=known_until(loop, db),
                overlap=timedelta(minutes=settings.overlap_minutes),
                full=loop.full,
                progress=progress,
            )
        findings = validate.check(snapshot, pq.read_schema(folder.votes), settings)
        folder.update(
            created_at=loop.now().isoformat(),
            settings=public(settings),
            seed=settings.seed,
            votes_sha256=artifact.sha256(folder.votes),
            split_version=SPLIT_VERSION,
            code_revision=host.revision(loop.host),
            image_digest=loop.host.image_digest,
            task_arn=loop.host.task_arn,
            threads=1,
            findings=[asdict(finding) for finding in findings],
            **snapshot_record(snapshot),
        )
    return not validate.stopped(findings)


def prepare_cells(loop: Loop, folder: RunFolder) -> None:
    """Encode the votes and the base data into cells."""
    folder.needs("votes.parquet", made_by="export")
    _refuse_stopped(folder)
    settings = loop.settings
    with timed(loop, folder, "prepare"):
        if settings.base_csv:
            _take_base(Path(settings.base_csv), folder)
        recency = chosen.recency_of(settings, folder.record())
        prepared = prepare.prepare(folder.votes, base_rows(folder, settings), recency)
        prepare.save(prepared, folder.path)


def _refuse_stopped(folder: RunFolder) -> None:
    """Validation is never skipped, not by hand either."""
    stops = [f["name"] for f in folder.record()["findings"] if f["answer"] == "stop"]
    if stops:
        raise NotDoneError(
            f"validation must let a run go on, it stopped {folder.run_id} ({', '.join(stops)}): "
            "mend the data, then `python -m task export` again"
        )


def _take_base(given: Path, folder: RunFolder) -> None:
    try:
        source = given.open("rb")
    except OSError as error:
        raise UsageError(
            f"base_csv must be a file that can be read, got {given}: {error.strerror}; "
            "correct the path, or leave it out to use the built-in rules"
        ) from error
    with source, folder.file("base.csv").open("wb") as copy:
        shutil.copyfileobj(source, copy)


def base_rows(folder: RunFolder, settings: Settings) -> base.BaseRows:
    """The run's base data: the CSV in its folder, else the generator's."""
    given = folder.file("base.csv")
    if given.exists():
        most = settings.max_reject_share
        return base.read_csv(given, named=settings.base_csv, most_rejected=most)
    return base.generate(settings.base_rows, settings.seed)


def train_model(loop: Loop, folder: RunFolder) -> None:
    """Train the candidates and write the one that ships, with its table."""
    folder.needs(CELLS, PREPARED, made_by="prepare")
    epochs = loop.settings.max_epochs
    with timed(loop, folder, "train"), loop.bar("training", epochs) as progress:
        prepared = prepare.load(folder.path)
        trained = train.train(
            prepared,
            chosen.train_options(loop.settings),
            clock=loop.clock,
            checkpoint=lambda weights: _checkpoint(folder, weights),
            progress=progress,
        )
        write_model(folder, trained)
        if not trained.account["settled"]:
            log.warning(
                "a fit must settle, this one still moved by more than the tolerance after its last "
                "round: its variances are too large, and its answers shrunk too little"
            )
        folder.write(TRAINING, trained.account | {"base_rejected": prepared.base_rejected})


def write_model(folder: RunFolder, trained: train.Trained) -> None:
    """Write the model that ships into the run's folder, its table made from what is written."""
    chosen, record = trained.chosen, folder.record()
    metadata = {
        "version": folder.run_id,
        "kind": chosen.name,
        "cutoff": record["cutoff"],
        "data_fingerprint": record["data_fingerprint"],
        "vocabulary": trained.vocabulary.as_dict(),
        "threshold": trained.threshold,
        "calibration": dict(trained.calibration),
        "class_weights": list(chosen.class_weights),
    }
    like, score = train.rebuild(metadata, chosen.weights, trained.vocabulary.sizes)
    artifact.write(folder.model, weights=chosen.weights, metadata=metadata, score=score, like=like)
    artifact.write_folds(folder.model, train.fold_tables(trained.folds))


def evaluate_model(loop: Loop, folder: RunFolder) -> None:
    """Compare with the champion on votes that judge both fairly, and decide."""
    folder.needs(CELLS, f"model/{artifact.TABLE}", made_by="train")
    settings = loop.settings
    with timed(loop, folder, "evaluate"):
        prepared, record = prepare.load(folder.path), folder.record()
        cutoff = microseconds(datetime.fromisoformat(record["cutoff"]))
        active, runs = loop.registry.active(), loop.registry.runs()
        version = active.version if active else None
        champion = opponents.fetched(loop.store, version, folder.file("champion"))
        anchor = opponents.anchor_of(loop.store, version, runs, loop.now())
        evaluation = evaluate.evaluate(
            prepared,
            opponents.read_version(folder.model),
            champion,
            cutoff=cutoff,
            anchor=opponents.if_whole(loop.store, anchor, folder.file("anchor")),
            confidence=settings.confidence,
            max_negative_flips=settings.max_negative_flips,
            seed=settings.seed,
        )
        artifact.write_self_test(folder.model, self_test_cells(prepared))
        verdict = gate.decide(
            evaluation,
            chosen.policy(settings),
            budget=budget(runs, datetime.fromisoformat(record["cutoff"]), settings.yearly_risk),
            self_test=_problem(folder.model),
        )
        replaced = opponents.replaced_by(
            loop.store, version, loop.registry.history(), folder.file("replaced")
        )
        bets = proof.look(runs, champion, replaced, prepared, cutoff=cutoff)
        found = evaluate.to_json(evaluation) | {"proof": proof.summary(bets)}
        folder.write(EVALUATION, found)
        folder.write(VERDICT, asdict(verdict))
        artifact.write_json(folder.model / "metrics.json", found)
        folder.update(
            previous_version=version,
            champion_serial=active.serial if active else 0,
            evidence={
                "risk": verdict.risk,
                "anchor": verdict.anchor,
                "bets": eprocess.to_json(bets) if bets else None,
            },
            sha256=reproduced(folder.model),
        )


def reproduced(model: Path) -> dict[str, str]:
    """The sha256 of each file that a replay must reproduce."""
    return {part: artifact.sha256(model / name) for part, name in artifact.REPRODUCED.items()}


def render(folder: RunFolder) -> None:
    """Write the report of a run from what its folder holds, however far it came."""
    from task import report

    parts = (
        folder.record(),
        folder.read_if_there(TRAINING),
        folder.read_if_there(EVALUATION),
        folder.read_if_there(VERDICT),
    )
    with folder.disk():
        folder.file("report.html").write_text(report.render(*parts), "utf-8")
        if folder.file(VERDICT).exists():
            shutil.copyfile(folder.file("report.html"), folder.model / "report.html")
            (folder.model / "model_card.md").write_text(report.model_card(*parts), "utf-8")


@contextmanager
def timed(loop: Loop, folder: RunFolder, stage: str) -> Iterator[None]:
    """Begin a stage afresh, and add its seconds to the run's record."""
    start = loop.clock()
    with folder.disk():
        folder.begin(stage)
        yield
    took = round(loop.clock() - start, 3)
    seconds = folder.record().get("seconds_by_stage", {})
    folder.update(seconds_by_stage=seconds | {stage: took})
    log.info("%s took %.2f s", stage, took, extra={"stage": stage, "seconds": took})


@contextmanager
def _base_snapshot(loop: Loop, folder: RunFolder, db: Database) -> Iterator[BaseSnapshot | None]:
    """The newest validated snapshot in the store, fetched for an incremental read."""
    records = [] if loop.full else publish.snapshots(loop.store)
    usable = [r for r in records if r.get("split_version") == SPLIT_VERSION]
    for record in [r for r in usable if db.is_ahead(datetime.fromisoformat(r["cutoff"]))]:
        log.warning(
            "a snapshot's cutoff must not lie ahead of the database's clock, got %s of %s at %s: "
            "it is not built upon",
            record["cutoff"],
            record["run_id"],
            db.clock(),
        )
        usable.remove(record)
    if not usable:
        yield None
        return
    newest, path = usable[0], folder.file("earlier.parquet")
    try:
        publish.fetch_votes(loop.store, newest, path)
        yield BaseSnapshot(
            path=path,
            cutoff=datetime.fromisoformat(newest["cutoff"]),
            run_id=newest["run_id"],
            source=newest["source"],
        )
    finally:
        path.unlink(missing_ok=True)


def _problem(model: Path) -> str | None:
    """What is wrong with a model just written; None if its self-test passes."""
    try:
        artifact.self_test(model)
    except ArtifactError as error:
        return str(error)
    return None


def _checkpoint(folder: RunFolder, weights: dict[str, Any]) -> None:
    from safetensors.numpy import save_file

    save_file(weights, folder.file("checkpoint.safetensors"))


def dump(value: object) -> str:
    """One JSON object for standard output."""
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)
