"""Is the version that serves proved better than the one it replaced? Told, never asked of it.

Both are fixed and published, and judged on votes that came after both of their cutoffs, each
person once, so the answer may be looked at every week without paying for it: see `eprocess.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.registry.records import VERDICT_STATES, Run
from task import eprocess
from task.artifact import ScoreTable
from task.eprocess import State
from task.judging import Version, as_published
from task.metrics import CLIP
from task.paired import losses
from task.prepare import Prepared

Floats = NDArray[np.float64]


def look(
    runs: Iterable[Run],
    champion: Version | None,
    replaced: Version | None,
    prepared: Prepared,
    *,
    cutoff: int,
) -> State | None:
    """The comparison carried on to this run's cutoff; None without two versions to compare."""
    if champion is None or replaced is None:
        return None
    state = eprocess.resumed(
        last_state(runs),
        champion.table.version,
        replaced.table.version,
        max(champion.cutoff, replaced.cutoff),
    )
    if cutoff < state.cutoff:
        return state  # a run that read its votes before: the later one has bet on them
    votes, levels = prepared.examples, prepared.levels
    ours, theirs = (as_published(each.table, levels, votes) for each in (champion, replaced))
    bound = eprocess.largest_difference(*_on_all_names(champion.table, replaced.table))
    return eprocess.update(
        state,
        losses(votes, theirs.p) - losses(votes, ours.p),
        votes.group.view(np.int64),
        votes.feedback_at,
        bound=bound,
        cutoff=cutoff,
    )


def last_state(runs: Iterable[Run]) -> State | None:
    """The state that the newest run with a verdict left. Raises RegistryError if it is damaged."""
    judged = [run for run in runs if run.state in VERDICT_STATES and run.cutoff is not None]
    newest = max(judged, key=lambda run: (run.cutoff, run.run_id), default=None)
    noted = newest.evidence.get("bets") if newest else None
    return eprocess.from_json(noted) if noted else None


def summary(state: State | None) -> dict[str, Any] | None:
    """What the report says of it."""
    if state is None:
        return None
    interval = eprocess.confidence_sequence(state)
    return {
        "champion": state.champion,
        "replaced": state.replaced,
        "votes": state.votes,
        "groups": state.groups,
        "e_value": eprocess.e_value(state),
        "proved": eprocess.proved(state),
        "gain": interval.value,
        "low": interval.low,
        "high": interval.high,
    }


def _on_all_names(one: ScoreTable, other: ScoreTable) -> tuple[Floats, Floats]:
    """What both answer to every face, tone and style that either has learned: two tables.

    Kept from 0 and 1 as the loss keeps them, so that the largest difference is finite, and the
    same in every run: it is the scale of the bets.
    """
    both = (one.vocabulary, other.vocabulary)
    faces, tones, styles = (
        sorted(set(getattr(both[0], names)) | set(getattr(both[1], names)))
        for names in ("faces", "tones", "styles")
    )
    tables = []
    for table in (one, other):
        known = table.vocabulary
        at = np.ix_(
            [known.face(name) for name in faces],
            [known.tone(name) for name in tones],
            [known.style(name) for name in styles],
        )
        tables.append(np.clip(table.like[at].astype(np.float64), CLIP, 1.0 - CLIP))
    return tables[0], tables[1]
