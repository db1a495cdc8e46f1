"""Brings a version that was made active into service, and proves that people are served by it.

    SERVING_URL=ecs://hairme/api        or http://127.0.0.1:8000, or none: nobody is told

Force a deployment, wait until every task says that it serves this very version, ask it the
labelled test votes, watch its errors for a while. Whatever is not as it should be takes the
version back (`common.healing`). A run that dies in here stays `rolling_out`, and is healed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from common.errors import NotServedError, ServingError, UnreachableError
from common.healing import CHANGED_EXIT, Healer, note, take_back
from common.registry.records import HistoryEntry, Run
from common.serving import Service
from common.serving.answers import BATCH, Api
from common.serving.watch import (
    Expected,
    Patience,
    Serving,
    Verify,
    check,
    check_model,
    force,
    tasks_of,
    until,
    until_served,
)
from task.questions import Question

log = logging.getLogger(__name__)

ASK_SECONDS = 15.0
"""A balancer may fail a request just after a deployment: so long it is asked again."""
LOOKS = 6
"""So often the service is looked at while it bakes, or every `LONGEST_PAUSE` seconds."""
LONGEST_PAUSE = 10.0
MISSED = 2
"""So many looks in a row may fail while it bakes: a network hiccups."""
SAME = 1e-6
"""Answers travel as the shortest decimals of single precision."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What a roll-out must show."""

    expected: Expected
    questions: Sequence[Question]
    bake_seconds: float


def unproved(service: Service | None, verify: str) -> str | None:
    """What will not be known of a promotion even if all goes well; None: it will be proved."""
    if service is None:
        return "not proved in service: SERVING_URL is none"
    if verify == "health":
        return (
            f"not proved in service: verify is health, so no task of {service} says what it serves"
        )
    if verify == "deployment":
        return f"not proved in service: verify is deployment, so no task of {service} is asked"
    return None


def roll_out(healer: Healer, proof: Proof, entry: HistoryEntry, run: Run) -> Run:
    """Bring the version that `entry` made active into service; the run's end.

    `run` is its record as `rolling_out`, or as `promoted` where nobody serves. Raises what ends
    the waiting (a signal, a lost lease, a registry that is gone): then it is left open.
    """
    service, begun = healer.service, replace(run, serial=entry.serial)
    if service is None:
        return begun
    try:
        stage = force(service, healer.patience)
        note(healer, begun, _told(stage.deployment), deployment=stage.deployment or None)
        told = replace(begun, deployment=stage.deployment or None)
        if not stage.desired:
            says = f"{_told(stage.deployment)} of a service whose desired count is 0: not proved"
            return _ended(healer, told, "promoted", says)
        says = _proved(healer, service, proof, stage.deployment, told)
    except ServingError as error:
        return take_back(healer, begun, str(error))
    return _ended(healer, told, "served" if healer.verify == "model" else "promoted", says)


def _proved(healer: Healer, service: Service, proof: Proof, deployment: str, run: Run) -> str:
    """Wait, ask, bake; what was proved. Raises ServingError for whatever is not as it should be."""
    serving = until_served(service, deployment, proof.expected, healer.verify, healer.patience)
    note(healer, run, f"{len(serving.apis) or 'all'} tasks serve it: {serving.stage.says}")
    asked = 0
    if healer.verify == "model":
        asked = until(_brief(healer), lambda: ask(service, serving.apis, proof.questions))
    if asked:
        note(healer, run, f"{asked:,} answers in service are those that were evaluated")
    _bake(healer, service, serving, proof)
    # Whoever has come meanwhile, as when the service is scaled out, serves it too.
    serving = until_served(service, deployment, proof.expected, healer.verify, healer.patience)
    says = f"{_told(deployment)}; {len(serving.apis)} tasks serve it"
    if healer.verify != "model":
        return says
    return f"{says}, {asked:,} answers are as evaluated, {proof.bake_seconds:g} s without an error"


def _told(deployment: str) -> str:
    return f"deployment {deployment} was forced" if deployment else "the API follows the pointer"


def ask(service: Service, apis: Sequence[Api], questions: Sequence[Question]) -> int:
    """Ask in service what was evaluated; how many answers came. NotServedError: another answer.

    Through the load balancer as people do, or else each task.
    """
    asked = 0
    for api in [Api(service.address)] if service.address else apis:
        for start in range(0, len(questions), BATCH):
            some = questions[start : start + BATCH]
            _compare(api, some, api.predict([question.item for question in some]))
            asked += len(some)
    return asked


def _compare(api: Api, questions: Sequence[Question], answers: Sequence[Mapping[str, Any]]) -> None:
    wrong = [
        (question, answer)
        for question, answer in zip(questions, answers, strict=True)
        if not _same(question, answer)
    ]
    if wrong:
        question, answer = wrong[0]
        raise NotServedError(
            f"{api} must answer as the version was evaluated, {len(wrong):,} of "
            f"{len(questions):,} answers differ: to {', '.join(question.item.values())} it says "
            f"{answer.get('like_probability')} ({'like' if answer.get('like') else 'dislike'}) "
            f"instead of {question.like_probability:.6f} ({'like' if question.like else 'dislike'})"
        )


def _same(question: Question, answer: Mapping[str, Any]) -> bool:
    found = answer.get("like_probability")
    near = isinstance(found, float | int) and abs(found - question.like_probability) <= SAME
    return near and answer.get("like") is question.like


def _bake(healer: Healer, service: Service, serving: Serving, proof: Proof) -> None:
    """Watch for a while: the same tasks, the same version, no new errors."""
    patience, missed, most = healer.patience, 0, max(len(serving.apis), serving.stage.desired)
    before: Mapping[str, int] | None = None
    end, pause = patience.clock() + proof.bake_seconds, proof.bake_seconds / LOOKS
    while True:
        try:
            stage = service.stage(serving.stage.deployment)
            alive = serving.apis and service.tasks(stage.deployment)
            # One that has come since, as when the service is scaled out, may still be starting.
            now = _vitals(healer, [api for api in serving.apis if api in alive], proof)
            if before is None:  # who has gone since it was asked is missed as well
                gone = set(serving.apis) - set(alive)
                before = {**now, **{str(api): 0 for api in gone}}
            most = max(most, stage.desired)
            _still_well(before, now, surplus=most - stage.desired)
            missed = 0
        except NotServedError:
            raise
        except ServingError:
            missed += 1
            if missed > MISSED:
                raise
        if not missed and patience.clock() >= end:
            return
        patience.sleep(min(pause, LONGEST_PAUSE))


def _vitals(healer: Healer, apis: Sequence[Api], proof: Proof) -> dict[str, int]:
    """Each task, by its address and since when it serves, and how many requests it has failed.

    Raises ServingError when one is not well, or serves something else.
    """
    if healer.verify != "model":
        check(apis, proof.expected, healer.verify)
        return {}
    found = {}
    for api in apis:
        model = api.model()
        check_model(api, model, proof.expected)
        found[f"{api} since {model.since}"] = api.errors()
    return found


def _still_well(before: Mapping[str, int], now: Mapping[str, int], *, surplus: int) -> None:
    """Raise NotServedError for requests that failed, and for tasks that are gone.

    surplus: how many tasks there were more than are wanted now: a service that is scaled in stops
    any of its tasks.
    """
    failed = sum(now.values()) - sum(before[task] for task in before.keys() & now.keys())
    if failed > 0:
        raise NotServedError(f"it must answer without errors, {failed} requests failed")
    gone = before.keys() - now.keys()
    if len(gone) > surplus:
        raise NotServedError(
            f"every task must stay alive, {len(gone)} of {len(before)} died or began anew"
        )


def _ended(healer: Healer, run: Run, state: Literal["served", "promoted"], says: str) -> Run:
    """The end of a roll-out, unless somebody has changed the active version in the midst of it."""
    active = healer.registry.active()
    if active is None or active.serial != run.serial:
        who = active.version if active else "nothing"
        reason = f"{run.reason}; {says}; but somebody made {who} active meanwhile, which stays"
        return replace(run, state="failed", exit=CHANGED_EXIT, reason=reason)
    missing = unproved(healer.service, healer.verify)
    reason = "; ".join(filter(None, (run.reason, says, missing)))
    return replace(run, state=state, exit=0, reason=reason)


def by_hand(healer: Healer, proof: Proof, deployment: str) -> str:
    """Wait until a version that a person made active serves; what was proved.

    A person may sit where no way leads to the tasks: then their deployment is all that is proved.
    Raises ServingError when the version does not serve: what follows from that is the person's.
    """
    service, verify = healer.service, healer.verify
    assert service is not None, "there is nobody to wait for"
    first: Verify = verify if service.follows else "deployment"
    serving = until_served(service, deployment, proof.expected, first, healer.patience)
    if verify != "model":
        return str(unproved(service, verify))
    if not serving.stage.desired:
        return "its deployment is complete; not proved: the service's desired count is 0"

    def proved() -> str:
        try:
            apis = tasks_of(service, serving.stage)
            check(apis, proof.expected, verify)
            asked = ask(service, apis, proof.questions)
        except UnreachableError as error:
            return f"its deployment is complete; not asked what it serves, from here: {error}"
        return f"{len(apis)} tasks serve it, {asked:,} answers are as evaluated"

    return until(_brief(healer), proved)


def _brief(healer: Healer) -> Patience:
    return replace(healer.patience, seconds=min(ASK_SECONDS, healer.patience.seconds))
