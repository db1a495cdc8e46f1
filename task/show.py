"""Results for people at a terminal: tables and progress bars, made by rich.

Imported by the commands only; a run in a container never loads it but for its last lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import shorten
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

COLOURS = {"pass": "green", "ok": "green", "fail": "red", "stop": "red", "fault": "red"}
LONGEST = 60
"""Characters of a reason in a table; `--json` has it whole."""
WIDTH = 110
"""Columns when the output is not a terminal."""


def console(*, error: bool = False) -> Console:
    """A console on standard output, or on standard error."""
    made = Console(stderr=error, highlight=False)
    return made if made.is_terminal else Console(stderr=error, highlight=False, width=WIDTH)


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Callable[[int], None] | None]:
    """A progress bar on a terminal's standard error; None elsewhere."""
    out = console(error=True)
    if not out.is_terminal:
        yield None
        return
    with Progress(console=out, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)


def facts(value: Mapping[str, Any]) -> None:
    """Names and values, a line each."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, found in value.items():
        table.add_row(name.replace("_", " "), escape(_text(found)))
    console().print(table)


def outcome(value: Mapping[str, Any]) -> None:
    """A run's end: state, reason, the gate's checks, what they rest on."""
    out = console()
    out.print(f"[bold]{value['state']}[/bold]  {escape(value['run_id'])}")
    out.print(escape(value["reason"]), soft_wrap=True)
    for warning in value["warnings"]:
        out.print(f"[yellow]warning:[/yellow] {escape(warning)}", soft_wrap=True)
    if value["verdict"]:
        table = _table("check", "answer", "value", "bound", "interval")
        for check in value["verdict"]["checks"]:
            interval = _interval(check["low"], check["high"])
            answer = coloured(check["answer"])
            figures = (_number(check["value"]), _number(check["bound"]))
            table.add_row(check["name"], answer, *figures, interval)
        out.print(table)
        out.print(_evidence(value["verdict"]), soft_wrap=True)
    if value["report"]:
        out.print(f"report: {escape(value['report'])}", soft_wrap=True)


def _evidence(verdict: Mapping[str, Any]) -> str:
    """What the verdict rests on besides the checks: expected gain, budget, anchor."""
    gain, anchor = verdict["expected_gain"], verdict["anchor"]
    parts = [] if gain is None else [f"expected gain {gain:+.4f} nats a vote"]
    parts += [verdict["budget"]] if verdict["budget"] else []
    parts += [f"anchor {anchor}"] if anchor else []
    return escape("; ".join(parts))


def exported(value: Mapping[str, Any]) -> None:
    """What was read, and what validation found."""
    counts = value["counts"]
    table = _table("finding", "answer", "says")
    for finding in value["findings"]:
        table.add_row(finding["name"], coloured(finding["answer"]), escape(finding["says"]))
    read = {"run_id": value["run_id"], "mode": value["mode"], "cutoff": value["cutoff"]}
    facts(read | {"fingerprint": value["data_fingerprint"]} | counts | {"files": value["files"]})
    console().print(table)


def trained(value: Mapping[str, Any]) -> None:
    """How each candidate did."""
    table = _table("candidate", "held-out log-loss", "held-out AUC", "rounds", "settled", "seconds")
    for line in value["candidates"]:
        figures = (_number(line["log_loss"]), _number(line["auc"]), str(line["rounds"]))
        settled = "yes" if line["settled"] else "no"
        table.add_row(line["name"], *figures, settled, f"{line['seconds']:.2f}")
    out = console()
    out.print(table)
    out.print(f"chosen: {value['chosen']} ({value['reason']}), fitted on {value['votes']:,} votes")


def backtest(value: Mapping[str, Any]) -> None:
    """How each policy and each reference did over the weeks that count."""
    from task.backtest import page

    out = console()
    out.print(
        f"{value['from'][:10]} to {value['to'][:10]}: {value['looks']} looks, "
        f"{value['counted_looks']} of them count; votes: {_text(value['votes'])}"
    )
    out.print(_grid(page.COLUMNS, page.rows(value)))
    for each in value["policies"]:
        if each["personal"]:
            ships = "would ship" if each["personal"]["would_ship"] else "would not ship"
            out.print(f"{escape(each['name'])}: a person's own offset {ships}")
            out.print(escape(each["personal"]["says"]))
            out.print(_grid(page.STRATA, page.strata(each["personal"])))
        out.print(escape(f"{each['name']}: {_text(each['settings'])}"), style="dim")
    for note in value["notes"]:
        out.print(escape(note), style="dim")


def _grid(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    table = _table(*columns)
    for line in lines:
        table.add_row(*map(escape, line))
    return table


def doctor(value: Mapping[str, Any]) -> None:
    """What was looked at, and what is to be mended."""
    table = _table("check", "answer", "says")
    for finding in value["checks"]:
        table.add_row(finding["name"], coloured(finding["answer"]), escape(finding["says"]))
    out = console()
    out.print(table)
    out.print(f"{value['faults']} faults, {value['warnings']} warnings")


def status(value: Mapping[str, Any]) -> None:
    """What is active, on hold, running."""
    active, hold, lease = value["active"], value["hold"], value["lease"]
    version = (active["version"] or "none any more") if active else None
    facts(
        {
            "active": f"{version} since {active['since']}" if active else "none yet",
            "promotion": f"on hold since {hold['since']}: {hold['reason']}" if hold else "free",
            "lease": f"{lease['owner']} until {lease['expires_at']}" if lease else "free",
            "running": _running(value["running"], alive=lease is not None),
            "versions": ", ".join(value["versions"]) or "none yet",
        }
    )
    console().print(_runs(value["runs"]))


def status_at(value: Mapping[str, Any]) -> None:
    """What was active at a time, and why."""
    change, until = value["change"], value["until"]
    if change is None:
        facts({"at": value["at"], "active": "none yet", "until": until or "now"})
        return
    facts(
        {
            "at": value["at"],
            "active": value["version"] or "none any more",
            "since": value["since"],
            "until": until or "now",
            "change": f"number {change['serial']}: {change['action']} from "
            f"{change['previous'] or 'none'} to {change['version'] or 'none'}",
            "changed by": _because(value["run"]) if change["run_id"] else "a person",
            "version made by": _because(value["made_by"]),
        }
    )


def _because(run: Mapping[str, Any] | None) -> str:
    return f"{run['run_id']}, {run['state']}: {run['reason']}" if run else "no run on record"


def _running(run: Mapping[str, Any] | None, *, alive: bool) -> str:
    if run is None:
        return "nothing"
    silent = "" if alive else ", fell silent: the next run closes it"
    task = f", {run['task_arn']}" if run["task_arn"] else ""
    return f"{run['run_id']} {run['state']} since {run['created_at']}{silent}{task}"


def history(value: Mapping[str, Any]) -> None:
    """All runs with F1 over time, and every change of the active version."""
    console().print(_runs(value["runs"]))
    table = _table("serial", "version", "before", "action", "at")
    for entry in value["changes"]:
        version, before = entry["version"] or "none", entry["previous"] or "–"
        table.add_row(str(entry["serial"]), version, before, entry["action"], entry["at"])
    console().print(table)


def coloured(answer: str) -> str:
    """An answer in its colour."""
    colour = COLOURS.get(answer, "yellow")
    return f"[{colour}]{answer}[/{colour}]"


def _runs(runs: list[Mapping[str, Any]]) -> Table:
    table = _table("run", "state", "exit", "F1", "champion's F1", "reason")
    for run in runs:
        f1 = (run.get("metrics") or {}).get("f1")
        champion = (run.get("champion_metrics") or {}).get("f1")
        reason = escape(shorten(run["reason"] or "", LONGEST, placeholder=" …"))
        code = "–" if run["exit"] is None else str(run["exit"])
        table.add_row(run["run_id"], run["state"], code, _number(f1), _number(champion), reason)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:+.4f} … {high:+.4f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}".rstrip("0").rstrip(".")


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "none"
    return "–" if value is None else str(value)
