"""The whole story in an emulated cloud: `make demo`, or `python -m local.demo --seed 3`.

The clock fires the template's schedule; the real bundle of the functions counts and launches; the
task is a process with the task definition's command and environment; its end is an event for the
watcher. Votes lie in MariaDB where it is installed, else in SQLite; models, runs and the pointer
in the emulated S3 and DynamoDB. The demo only plays the people, the operator among them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.markup import escape

from common.console import steady
from local import demo_service, demo_steps
from local.cloud.client import Cloud
from local.demo_database import votes_database
from local.story import (
    AT_FIRST,
    FEW,
    FIRST_VOTES,
    MORE,
    SOME,
    Story,
    a_console,
    clear,
    outcome,
    show,
)
from task import folder as run_folders
from task.outcome import outcome_of, skipped

SOON = {"RETRAIN_BAKE_SECONDS": "1", "RETRAIN_ROLLOUT_SECONDS": "60"}
"""Where all else takes seconds, nobody waits a minute for an error."""
TASKS = 2
"""Of the service."""
SLOT_HOUR = 2  # the schedule's own, UTC
WEEK = timedelta(days=7)


@dataclass(kw_only=True)
class Play(Story):
    """The story in the cloud."""

    cloud: Cloud
    slot: datetime
    """When the schedule strikes next."""
    told: set[str] = field(default_factory=set)
    """Events and tasks whose end has been printed."""

    def act(self, number: int, title: str, *, times: int = 1, **asked: Any) -> None:
        """The schedule strikes, or with `asked` a person does; all that follows is awaited."""
        start = time.monotonic()
        self.console.print(f"  {number}  {escape(title)}")
        answers = [self.ask(asked)] if asked else self.strike(times)
        self.follow()
        launched = [answer for answer in answers if answer.get("decision") == "launched"]
        result = self.result((launched or answers)[0])
        self.acted(number, title, result, time.monotonic() - start)

    def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A run by request, as from the console."""
        self.console.print(f"       somebody asks for a run: {json.dumps(asked)}")
        return self.cloud.invoke("trigger", asked)

    def strike(self, times: int = 1) -> list[dict[str, Any]]:
        """It is Sunday, two o'clock: what the trigger answers to the event, however often."""
        sent = self.cloud.fire("trigger", self.slot, times=times)
        often = f", delivered {times} times" if times > 1 else ""
        self.console.print(f"       the clock strikes: {self.slot:%a %d %b %H:%M} UTC{often}")
        self.slot += WEEK
        state = self.cloud.until(lambda state: all(each["done"] for each in _of(state, sent)))
        return [event["attempts"][-1]["answer"] for event in _of(state, sent)]

    def follow(self) -> None:
        """Tell what the functions and the task do, as each ends, until all is quiet."""
        under_way = True
        while under_way:
            steps = demo_steps.of(self.cloud.state())
            for name, says in steps.items():
                if says and name not in self.told:
                    self.told.add(name)
                    self.console.print(f"       {escape(says)}")
            under_way = None in steps.values()
            time.sleep(0.05)

    def result(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """What came of a run: its evidence is fetched from the bucket."""
        if "errorType" in answer:
            sys.exit(f"the trigger failed: {answer['errorMessage']}")
        run_id = str(answer["run_id"])
        if answer["decision"] == "skipped":
            return outcome(skipped(run_id, str(answer["reason"])))
        here = run_folders.of(str(self.folder / "runs"), run_id)
        _fetch(self.cloud, f"runs/{run_id}/", here.make().path)
        return outcome(outcome_of(here))

    def command(self, *words: str) -> dict[str, Any]:
        """An operator's command, which must be done."""
        done = self.cloud.task(*words)
        if not done.out.strip():
            sys.exit(f"`{' '.join(words)}` printed nothing, exit {done.exit}:\n{done.err}")
        result = done.result
        self.expect(done.exit == 0, f"`{' '.join(words)}` was not done: {result.get('reason')}")
        return result | {"exit": done.exit}


def play(play: Play) -> None:
    """All acts, in order."""
    play.vote(play.world, FEW, draw=0, over=AT_FIRST, ugly=False)
    play.act(0, "nine votes in all")
    play.vote(play.world, FIRST_VOTES - FEW, draw=1, over=AT_FIRST)
    play.act(1, "12,000 votes in every shape", times=2)
    play.expect(len(play.cloud.state()["tasks"]) == 1, "one event, twice, made more than one task")
    play.change_minds(play.changed)
    play.act(2, "tastes change, votes arrive")
    play.act(3, "nothing new")
    play.vote(play.changed, SOME, draw=4)
    _task_is_killed(play)
    play.act(4, "a challenger that ignores people", real_weight=0)
    _bug_upstream(play)
    play.vote(play.changed, SOME, draw=7, ugly=False)
    play.act(6, "sixty votes, and F1 +0.05 asked for", min_improvement=0.05)
    _person_decides(play)
    demo_service.play(play)


def _task_is_killed(play: Play) -> None:
    """A task runs out of memory in the midst of its work: it is told, and nothing stays locked."""
    start, title = time.monotonic(), "a task is killed at its work"
    play.console.print(f"     {title}")
    held = play.cloud.fault("s3", "PutObject", "hold", where="runs/")
    play.strike()
    held.reached()
    play.cloud.order("kill", out_of_memory=True)
    play.cloud.order("clear")
    play.follow()
    alerts = play.cloud.alerts()
    play.expect(len(alerts) == 1, f"one alert for the killed task, got {len(alerts)}")
    for alert in alerts:
        play.console.print(f"       alert: {escape(alert['Subject'])}", style="yellow")
        for line in alert["Message"].splitlines():
            play.console.print(f"         {escape(line)}", style="dim", overflow="ellipsis")
    status = play.command("status")
    free = status["lease"] is None or not status["lease"]["owner"]
    play.expect(free, "the killed task's lease is still held")
    why = "out of memory; alert sent, lease free" if free and alerts else "NOT told, or locked"
    play.note("", title, "failed", "137", why, time.monotonic() - start)


def _bug_upstream(play: Play) -> None:
    """After the stop, the rows are repaired and shown."""
    before = play.acts[-1]["data_fingerprint"]
    with play.bug_upstream():
        play.act(5, "a bug upstream writes only `like`")
    start = time.monotonic()
    export = play.command("export", "--full")
    repaired = export.get("data_fingerprint") == before
    play.expect(repaired, "the repaired votes are not those from before the bug")
    same = "the fingerprint of before" if repaired else "ANOTHER fingerprint"
    why = f"{export['counts']['votes']:,} votes read anew, {same}"
    code, seconds = str(export["exit"]), time.monotonic() - start
    play.note("", "the rows are repaired", "repaired", code, why, seconds)


def _person_decides(play: Play) -> None:
    """Roll back by hand, see a better model wait, and let go."""
    start = time.monotonic()
    found = play.command("rollback")
    why = f"active is {found.get('version')}, on hold"
    seconds = time.monotonic() - start
    play.note("", "an operator rolls back", "done", str(found["exit"]), why, seconds)
    play.vote(play.changed, MORE, draw=9)
    play.act(7, "a better model, promotion on hold")
    start, waiting = time.monotonic(), str(play.acts[-1]["version"])
    play.command("resume")
    found = play.command("promote", waiting)
    why = f"hold off, {waiting} is promoted: {str(found.get('proved')).partition(',')[0]}"
    play.note("", "the operator lets go", "done", "0", why, time.monotonic() - start)


def _of(state: Mapping[str, Any], requests: Sequence[str]) -> list[dict[str, Any]]:
    """The events of these requests, in their order."""
    found = {event["request_id"]: event for event in state["events"]}
    return [found[request] for request in requests]


def _fetch(cloud: Cloud, prefix: str, folder: Path) -> None:
    """Copy what lies under a prefix of the store into a folder."""
    store = urlsplit(cloud.addresses["STORE_URL"])
    s3, whole = cloud.client("s3"), f"{store.path.strip('/')}/{prefix}".lstrip("/")
    for found in s3.list_objects_v2(Bucket=store.netloc, Prefix=whole).get("Contents", []):
        name = found["Key"].removeprefix(whole)
        s3.download_file(store.netloc, found["Key"], str(folder / name))


def first_slot(now: datetime) -> datetime:
    """A Sunday of a year ago, two o'clock: a slot that has not come is refused."""
    day = now.date() + timedelta(days=(6 - now.weekday()) % 7) - 52 * WEEK
    return datetime(day.year, day.month, day.day, SLOT_HOUR, tzinfo=UTC)


def main(argv: Sequence[str] | None = None) -> int:
    """Play; exit 0 when every act ended as the story says, else 1."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the people and the votes")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="default: .demo")
    parser.add_argument("--sqlite", action="store_true", help="votes in SQLite in any case")
    arguments = parser.parse_args(argv)
    console, folder = a_console(), arguments.folder.resolve()
    start = time.monotonic()
    clear(folder)
    with ExitStack() as stack:
        votes = stack.enter_context(votes_database(folder, sqlite_only=arguments.sqlite))
        cloud = stack.enter_context(
            Cloud.start(folder / "cloud", database=votes.address, variables=SOON)
        )
        cloud.serve(TASKS)
        console.print(
            f"An emulated cloud is up at {cloud.url}, the votes are in {votes.kind} "
            f"({time.monotonic() - start:.1f} s).\n"
            "People vote, the schedule strikes, the loop learns, proves, promotes.\n"
        )
        story = Play(
            folder=folder,
            seed=arguments.seed,
            console=console,
            table=votes.table,
            cloud=cloud,
            slot=first_slot(datetime.now(UTC)),
        )
        play(story)
    summary = json.dumps(story.acts, ensure_ascii=False, indent=1) + "\n"
    (folder / "summary.json").write_text(summary, "utf-8")
    show(story)
    console.print(f"in all:  {time.monotonic() - start:.0f} s")
    for line in story.wrong:
        console.print(f"[red]unexpected:[/red] {escape(line)}")
    return 1 if story.wrong else 0


if __name__ == "__main__":
    steady()
    sys.exit(main())
