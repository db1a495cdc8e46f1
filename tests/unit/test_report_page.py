"""The page stands alone: nobody's text acts in it, it can be read by anybody, anywhere."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from task import report
from tests.unit import report_samples as samples
from tests.unit.report_page import Page, page
from tests.unit.report_samples import HOSTILE, Sample

ROOT = Path(__file__).parents[2]

every_sample = pytest.mark.parametrize("make", samples.EVERY)


@every_sample
def test_the_page_asks_for_nothing_outside_itself(make: Callable[[], Sample]) -> None:
    html = report.render(*make())
    shown = Page(html)

    names = {tag for tag, _ in shown.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    for _, attributes in shown.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert not attributes.keys() & {"src", "srcset", "action", "xlink:href"}
        assert attributes.get("href", "#").startswith("#")
    assert "url(" not in shown.text("style")
    assert "@import" not in shown.text("style")
    policies = [a["content"] for a in shown.all("meta") if "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_hostile_names_are_shown_and_stay_text() -> None:
    sample, harmless = samples.hostile(), samples.rejected()

    shown, tame = page(sample), page(harmless)

    for name in HOSTILE[:4]:
        assert " ".join(name[:59].split()) in shown.text()
    kinds = [{tag for tag, _ in p.tags} for p in (shown, tame)]
    assert kinds[0] == kinds[1]
    assert len(shown.all("style")) == 1


def test_characters_that_cannot_be_written_or_turn_the_line_around_are_replaced() -> None:
    html = report.render(*samples.hostile())

    html.encode("utf-8")
    assert not re.search("[\u202e\x00\ud800]", html)
    assert "가일 컷�� � 😀" in html


def test_a_very_long_name_is_cut() -> None:
    shown = page(samples.hostile())

    assert max(len(text) for text in shown.texts["bdi"]) == 60


@pytest.mark.parametrize("field", ["run_id", "state", "version", "code_revision", "mode"])
def test_every_text_of_the_run_is_escaped(field: str) -> None:
    sample = samples.promoted()
    sample.run[field] = '"><script>x</script>'

    html = report.render(*sample)

    assert "<script" not in html


def test_a_hostile_key_or_answer_is_escaped_too() -> None:
    sample = samples.rejected()
    assert sample.verdict is not None
    assert sample.training is not None
    bad = '"><script>x</script>'
    sample.verdict["checks"][0]["answer"] = bad
    sample.verdict["checks"][1]["name"] = bad
    sample.training["variances"][bad] = 0.1
    sample.run["seconds_by_stage"][bad] = 1.0
    sample.run["settings"][bad] = bad

    assert "<script" not in report.render(*sample)


@every_sample
def test_the_page_can_be_walked_without_seeing_it(make: Callable[[], Sample]) -> None:
    shown = page(make())

    levels = [int(tag[1]) for tag, _ in shown.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(deeper - level <= 1 for level, deeper in itertools.pairwise(levels))
    assert all(th.get("scope") in {"col", "row"} for th in shown.all("th"))
    ids = [attributes["id"] for _, attributes in shown.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in shown.all("a")} <= set(ids)
    assert shown.all("html") == [{"lang": "en"}]


@every_sample
def test_every_drawing_has_a_title_or_is_hidden(make: Callable[[], Sample]) -> None:
    html = report.render(*make())

    drawings = re.findall(r"<svg[^>]*>(?:<title>[^<]+</title>)?", html)
    assert drawings
    assert all("aria-hidden" in d or ('role="img"' in d and "<title>" in d) for d in drawings)
    plots = html.count('class="plot"')
    assert html.count("<desc>") == plots


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_text_colour_has_contrast_in_light_and_in_dark() -> None:
    css = (ROOT / "task/templates/report.css").read_text(encoding="utf-8")
    schemes = [dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in css.split("@media")[:2]]

    for colours in schemes:
        for paper in ("paper", "faint"):
            ground = luminance(colours[paper])
            for ink in ("ink", "soft", "good", "bad", "wait", "idle", "challenger"):
                dark, light = sorted([luminance(colours[ink]), ground])
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)


_ELSEWHERE = """
import hashlib, sys
import task.report
assert "jinja2" not in sys.modules, "the template engine is loaded before it is needed"
from tests.unit import report_samples
sample = report_samples.hostile()
text = task.report.render(*sample) + task.report.model_card(*sample)
print(hashlib.sha256(text.encode()).hexdigest())
"""


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_makes_the_same_bytes(hash_seed: str) -> None:
    sample = samples.hostile()
    here = report.render(*sample) + report.model_card(*sample)

    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "TZ": "Asia/Seoul"}
    command = [sys.executable, "-c", _ELSEWHERE]
    there = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert there.stdout.strip() == hashlib.sha256(here.encode()).hexdigest()
