"""The project's own Python files, parsed once, for the tests that turn rules into checks."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHIPPED = ("common", "task", "lambda", "api", "local", "infra")
ROOMS = (*SHIPPED, "bench", "image", "tests")

# Everything else in task/ is pure: it gets values and clients, and reads neither clock nor
# environment. A new module is pure until it is named here, with its reason.
EDGES = {
    "task.__main__",  # the process: arguments, environment, exit status
    "task.commands",  # what each command does
    "task.pipeline",  # the run
    "task.stages",  # each stage between the run's folder and its clients
    "task.attempt",  # the lease and the heartbeat of a run
    "task.interrupt",  # the signals and the deadline
    "task.host",  # who carries a run out, as the machine says
    "task.folder",  # the files of a run
    "task.extract",  # reads the database
    "task.votes",  # takes the database's rows apart
    "task.publish",  # writes the store
    "task.versions",  # reads the store
    "task.opponents",  # reads the store
    "task.deploy",  # moves the pointer
    "task.rollout",  # tells the service
    "task.operate",  # an operator's hand on the registry
    "task.replay",  # reads the store, retrains
    "task.backtest.command",  # reads the votes, writes what it is told to
    "task.doctor",  # tries the four addresses
    "task.outcome",  # gathers what the stages left
    "task.show",  # the terminal
}


@dataclass(frozen=True)
class Module:
    """One Python file: its path in the project, its dotted name, its text and its tree."""

    path: str
    name: str
    text: str
    tree: ast.Module


@cache
def modules(*rooms: str) -> tuple[Module, ...]:
    """Every module of the rooms (of all rooms by default); at least one."""
    paths = (path for room in rooms or ROOMS for path in sorted((ROOT / room).rglob("*.py")))
    found = tuple(_parsed(path) for path in paths)
    assert found, f"no Python file in {rooms}"
    return found


def _parsed(path: Path) -> Module:
    relative = path.relative_to(ROOT)
    name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
    text = path.read_text(encoding="utf-8")
    return Module(str(relative), name, text, ast.parse(text))


def pure_modules() -> list[Module]:
    """The modules of task/ that are not edges."""
    return [module for module in modules("task") if module.name not in EDGES]


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a module, nested ones too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, decorators left out."""
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def imported(tree: ast.AST) -> Iterator[str]:
    """Every dotted name that is imported, anywhere: `os`, `torch.nn`, `datetime.datetime`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every attribute access on a plain name: `os.environ`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, ast.unparse(node)
