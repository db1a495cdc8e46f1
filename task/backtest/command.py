"""`python -m task backtest`: policies tried on the past votes, nothing written but --output.

    python -m task backtest --from 2025-01-01 --to 2025-12-31 --policy a.yaml --policy b.yaml

The votes come from the database, or from a `votes.parquet` (--snapshot) with or without the
truth of the world that it was drawn from (--truth). A policy is a settings file with the sections
data, training and deployment, laid over the settings of today.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from common.database import VoteCounts, open_votes
from common.errors import UsageError
from common.former_settings import accepted, settled
from common.setting_sources import from_yaml
from common.settings import RULES, Settings
from task import base, chosen, pipeline
from task.backtest import page, truth
from task.backtest.fits import Judging, Training
from task.backtest.history import WEEK, History, history, looks
from task.backtest.play import Contender, play
from task.backtest.summary import summary
from task.extract import extract
from task.files import write_whole
from task.prepare import Examples, prepare
from task.recency import NO_TIME
from task.snapshot import SCHEMA
from task.tally import microseconds

SECTIONS = ("data", "training", "deployment")
"""What a policy may set."""
TODAY = "settings of today"


def backtest(
    settings: Settings,
    *,
    start: str | None,
    end: str | None,
    policies: list[str],
    every: str,
    snapshot: str | None,
    truth_file: str | None,
    output: str | None,
    warn: Callable[[str], None],
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Play the policies and write the page and its figures to `output`, if it is given."""
    span, weeks = _span(start, end), _weeks(every)
    chosen = _policies(settings, policies, warn)
    if output is not None:
        _folder(Path(output))
    with _votes(settings, snapshot) as votes:
        histories, everyone = _histories(votes, chosen)
    first = next(iter(histories.values()))
    known = truth.read(Path(truth_file), first) if truth_file else None
    begin, until = _within(span, first)
    played = play(
        [_contender(name, each) for name, each in chosen.items()],
        histories,
        looks(first.votes.feedback_at, begin, until, weeks),
        cpu=time.process_time,
        truth=known,
        progress=progress,
    )
    differing = {name: _differing(each) for name, each in chosen.items()}
    found = summary(played, _counts(everyone, begin, until), differing)
    if output is not None:
        _write(Path(output), found)
    return found


def _span(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """--from and --to in microseconds; the day of --to is included."""
    begin, last = _day("--from", start), _day("--to", end)
    if begin is not None and last is not None and last < begin:
        raise UsageError(
            f"--to must not lie before --from, got --from {start} --to {end}: swap the two"
        )
    until = None if last is None else microseconds(last + timedelta(days=1))
    return None if begin is None else microseconds(begin), until


def _day(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(
            f"{option} must be a day such as 2025-01-31, got {text[:40]!r}: correct it, or leave "
            "it out for the first or last day with votes"
        ) from error


def _weeks(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 520:
        raise UsageError(
            f"--every must be a whole number of weeks from 1 to 520, got {text[:20]!r}: 1 looks "
            "each week, as the schedule does"
        )
    return int(text)


def _policies(
    settings: Settings, files: list[str], warn: Callable[[str], None]
) -> dict[str, Settings]:
    """The settings of each policy by its name: the file's stem, or the whole path where two share
    it. Without a file, the settings of today."""
    if not files:
        return {TODAY: _hierarchical(settings, {})}
    stems = [Path(file).stem for file in files]
    found: dict[str, Settings] = {}
    for file, stem in zip(files, stems, strict=True):
        name = stem if stems.count(stem) == 1 else file
        if name in found:
            raise UsageError(f"each --policy must be another file, got {file} twice: remove one")
        values = settled(from_yaml(Path(file), accepted(RULES)), warn)
        for setting in values:
            if RULES[setting].section not in SECTIONS:
                raise UsageError(
                    f"{file}: a policy may set {', '.join(SECTIONS)}, got {setting} of "
                    f"{RULES[setting].section}: remove it, a backtest has no use for it"
                )
        found[name] = _hierarchical(replace(settings, **values), values)
    return found


def _hierarchical(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The fast candidate alone, unless the policy says otherwise: a year has 52 trainings."""
    return settings if "candidates" in values else replace(settings, candidates="hierarchical")


@contextmanager
def _votes(settings: Settings, snapshot: str | None) -> Iterator[Path]:
    """The snapshot to read: the one given, or one of the database that is gone afterwards."""
    if snapshot is not None:
        yield _checked(Path(snapshot))
        return
    with tempfile.TemporaryDirectory(prefix="backtest-") as folder, open_votes(settings) as db:
        path = Path(folder) / "votes.parquet"
        extract(db, path, base=None, last_verdict=None, overlap=timedelta(0), full=True)
        yield path


def _checked(path: Path) -> Path:
    try:
        with pq.ParquetFile(path) as file:
            if file.schema_arrow.equals(SCHEMA):
                return path
        problem = "other columns"
    except (OSError, pa.ArrowInvalid) as error:
        problem = str(error).splitlines()[0][:80]
    raise UsageError(
        f"--snapshot must be a votes.parquet of this program, got {path}: {problem}; name one of "
        "a run's folder or of the store, or leave it out to read the database"
    )


def _histories(votes: Path, chosen: Mapping[str, Settings]) -> tuple[dict[str, History], Examples]:
    """The votes with each policy's base rows, by what names those; and all votes as they came."""
    found: dict[str, History] = {}
    for settings in chosen.values():
        name = _base(settings)
        if name not in found:
            prepared = prepare(votes, _base_rows(settings))
            found[name] = history(prepared)
    return found, prepared.examples


def _base(settings: Settings) -> str:
    return settings.base_csv or f"{settings.base_rows} rows of seed {settings.seed}"


def _base_rows(settings: Settings) -> base.BaseRows:
    if settings.base_csv:
        most = settings.max_reject_share
        return base.read_csv(Path(settings.base_csv), most_rejected=most)
    return base.generate(settings.base_rows, settings.seed)


def _contender(name: str, settings: Settings) -> Contender:
    def enough(total: int, new: int) -> str | None:
        return pipeline.enough(VoteCounts(total=total, new=new), settings)

    return Contender(
        name=name,
        training=Training(
            options=chosen.train_options(settings),
            half_life_days=settings.half_life_days,
            window_days=settings.window_days,
            base=_base(settings),
        ),
        policy=chosen.policy(settings),
        judging=Judging(
            confidence=settings.confidence,
            max_negative_flips=settings.max_negative_flips,
            seed=settings.seed,
            report=settings.gate == "f1",
        ),
        yearly_risk=settings.yearly_risk,
        enough=enough,
        personal=settings.personal,
    )


def _within(span: tuple[int | None, int | None], votes: History) -> tuple[int, int]:
    """The days of the first and last vote stand for an end that was not given."""
    day = WEEK // 7
    times = votes.votes.feedback_at
    begin = int(times[0]) // day * day if span[0] is None else span[0]
    end = (int(times[-1]) // day + 1) * day if span[1] is None else span[1]
    if end <= begin:
        raise UsageError(
            f"votes must have come after --from and before --to, got none: the first one came "
            f"{_text(int(times[0]))}, the last one {_text(int(times[-1]))}; choose days around them"
        )
    return begin, end


def _text(time_of: int) -> str:
    return f"{datetime.fromtimestamp(time_of / 1e6, tz=UTC):%Y-%m-%d}"


def _counts(votes: Examples, begin: int, end: int) -> dict[str, int]:
    timed = votes.feedback_at[votes.feedback_at != NO_TIME]
    return {
        "read": len(votes),
        "without_time": len(votes) - len(timed),
        "before": int((timed <= begin).sum()),
        "within": int(((timed > begin) & (timed <= end)).sum()),
        "after": int((timed > end).sum()),
    }


def _differing(settings: Settings) -> dict[str, Any]:
    """What a policy sets other than the defaults."""
    plain = Settings()
    return {
        name: getattr(settings, name)
        for name, rule in RULES.items()
        if rule.section in SECTIONS and getattr(settings, name) != getattr(plain, name)
    }


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--output must be a folder that can be made, got {path}: {error.strerror}; choose "
            "another"
        ) from error


def _write(folder: Path, found: Mapping[str, Any]) -> None:
    text = json.dumps(found, ensure_ascii=False, indent=1)
    write_whole(folder / "backtest.json", text + "\n")
    write_whole(folder / "backtest.html", page.page(found))
