"""The demo's last acts: people who ask, look and vote, and a model that only looks healthy.

What people see stands here; what the loop does about it is the same as in all other acts.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from local.visitors import COLOUR, FACE, Stream, Visitors, asking

if TYPE_CHECKING:
    from local.demo import Play

PEOPLE = 250
"""Who vote by way of the service; three votes each."""
BAD_API = ["/opt/venv/bin/python", "-m", "local.bad_api", "--host", "0.0.0.0", "--port", "8080"]
"""The container's words, with a fault around the API."""


def play(story: Play) -> None:
    """A person's view, and a model that is taken back while nobody is awake."""
    visitors = Visitors(url=story.cloud.service_url)
    _votes_come_back(story, visitors)
    _labels_are_swapped(story, visitors)


def _votes_come_back(story: Play, visitors: Visitors) -> None:
    """People vote on what they are shown; a week later they are shown something else."""
    start, before = time.monotonic(), visitors.ask(record=False)
    tell(story, before)
    went_off = {item["style"] for item in before["items"][:2]}
    votes = visitors.vote(PEOPLE, lambda style: style not in went_off)
    why = f"{votes} votes by way of the service; two styles go out of fashion"
    story.note("", "people ask, look and vote", "done", "–", why, time.monotonic() - start)
    with asking(visitors) as stream:
        story.act(8, "their votes are learned, people go on asking")
    after = visitors.ask(record=False)
    tell(story, after)
    first, now = before["items"][0]["style"], after["items"][0]["style"]
    story.expect(after["version"] != before["version"], "the service answers with the old version")
    story.expect(now not in went_off, f"{now} is recommended first as before")
    why = f"{first} before, {now} now; {counted(stream)}"
    story.expect(not stream.failed, f"requests were lost: {stream.failed[:3]}")
    story.note("", "people see other styles", "done", "–", why, 0.0)


def _labels_are_swapped(story: Play, visitors: Visitors) -> None:
    """A release of the API swaps the labels of every version it has not met: healthy, and wrong."""
    serving = visitors.model()["version"]
    story.cloud.alerts()
    again = story.changed.with_changed_tastes(share=0.7, strength=6.0, seed=story.seed + 1)
    story.change_minds(again, draw=11)
    fault = json.dumps({"fault": "swapped", "other_than": serving})
    story.cloud.program(BAD_API, BAD_API=fault)
    with asking(visitors) as stream:
        story.act(9, "healthy tasks, swapped labels")
    story.cloud.program()
    model = visitors.model()
    story.expect(model["version"] == serving, f"{model['version']} serves instead of {serving}")
    story.expect(not stream.failed, f"requests were lost: {stream.failed[:3]}")
    alerts = [alert["Subject"] for alert in story.cloud.alerts()]
    story.expect(any("rolled_back" in subject for subject in alerts), "nobody was told of it")
    for subject in alerts:
        story.console.print(f"       alert: {escape(subject)}", style="yellow")
    why = f"{serving} serves again; {counted(stream)}"
    story.note("", "nobody had to wake up", "healed", "–", why, 0.0)


def tell(story: Play, shown: dict[str, Any]) -> None:
    """What a person sees, in one line."""
    styles = " · ".join(
        f"{item['style']} {item['like_probability']:.0%}" for item in shown["items"][:3]
    )
    line = f"{FACE}, {COLOUR} asks; {shown['version']} answers: {styles}"
    story.console.print(f"       {escape(line)}", style="cyan")


def counted(stream: Stream) -> str:
    """How many asked meanwhile, and how many in vain."""
    return f"{stream.asked} asked meanwhile, {len(stream.failed)} in vain"
