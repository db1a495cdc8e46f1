"""The run told to a person: `report.html` and `model_card.md`, from the run's four records.

`render` and `model_card` are pure: the same records give the same bytes, and no file, clock or
environment is read but the templates of this package. Any record but the run's may be missing
(a run that stopped early has no others), any value may be null; the page then says why, and
shows a dash.

The page is one file without script, web font or any request: it opens from a mail attachment,
prints, follows the reader's light or dark setting, and fits a phone. A framework, or a
notebook turned into HTML, would give none of this and weigh a hundred times as much.

Style names come from strangers. Jinja escapes whatever a template inserts, except the charts,
which escape their own texts; a content policy in the page forbids script on top. In the card
every character that Markdown or HTML could take for markup is escaped as well.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from task import report_numbers as numbers
from task.report_numbers import Json
from task.report_view import view

if TYPE_CHECKING:
    from jinja2 import Environment


def render(run: Json, training: Json | None, evaluation: Json | None, verdict: Json | None) -> str:
    """The whole report as one HTML document (shapes: the records that the stages write)."""
    page = _environment(_readable).get_template("report.html")
    return page.render(view(run, training, evaluation, verdict))


def model_card(
    run: Json, training: Json | None, evaluation: Json | None, verdict: Json | None
) -> str:
    """The model card in Markdown: use, data, metrics, limits, bias, ethics, maintenance."""
    card = _environment(_markdown).get_template("model_card.md")
    return card.render(view(run, training, evaluation, verdict))


@cache  # compiling the templates takes ten times as long as filling them
def _environment(finalize: Callable[[object], object]) -> Environment:
    from jinja2 import ChainableUndefined, Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("task", "templates"),
        autoescape=True,
        finalize=finalize,
        undefined=ChainableUndefined,  # a part that is missing reads as a dash
        trim_blocks=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
    )
    filters: list[Callable[..., str]] = [
        numbers.decimal,
        numbers.signed,
        numbers.nats,
        numbers.percent,
    ]
    filters += [numbers.count, numbers.plain, numbers.seconds, numbers.moment]
    filters += [numbers.spaced, numbers.sentence]
    environment.filters.update({made.__name__: made for made in filters})
    return environment


def _readable(value: object) -> object:
    """A value as a page shows it: a dash for nothing, no control or half characters."""
    from jinja2 import Undefined

    if value is None or isinstance(value, Undefined):
        return numbers.DASH
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "".join("�" if _unprintable(character) else character for character in value)


_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _unprintable(character: str) -> bool:
    """Controls, half surrogate pairs (not writable as UTF-8), what turns the text around."""
    return unicodedata.category(character) in {"Cc", "Cs"} or character in _BIDI


_MARKUP = str.maketrans({c: f"\\{c}" for c in "\\`*_[]|~#$"} | {c: f"&#{ord(c)};" for c in "<>&@"})


def _markdown(value: object) -> object:
    """A value inert in Markdown: nothing of it can start a tag, a link, code or a column."""
    from markupsafe import Markup

    shown = _readable(value)
    if not isinstance(shown, str):
        return shown
    told = shown.translate(_MARKUP)
    # bare addresses are linked by many readers of Markdown: take the mark away that tells them
    return Markup(told.replace("://", "&#58;//").replace("www.", "www&#46;"))
