"""Rules of the code that a tool's setting cannot say: purity, boundaries, sizes."""

import ast
import re
import statistics
import subprocess
import sys
import tomllib

from tests.architecture.code import (
    EDGES,
    ROOT,
    SHIPPED,
    Module,
    functions,
    imported,
    length,
    modules,
    pure_modules,
    used,
)

# The process boundaries: there any error becomes an exit status, a request's answer, or the
# word of a thread that must not die in silence.
BOUNDARIES = {"task/__main__.py", "api/__main__.py", "api/middleware.py", "api/serving.py"}
CLOCKS = re.compile(
    r"\b(datetime|date)\.(now|utcnow|today)$|^time($|\.)|^uuid\.uuid[14]$|^secrets\b"
)
ENVIRONMENT = re.compile(r"^os\.(environ|getenv|putenv)|^(os\.)?environ\b|^sys\.(argv|stdin)")
UNSAFE = re.compile(
    r"\b(pickle|cPickle|cloudpickle|dill|joblib|shelve|marshal)\b"
    r"|^torch\.(load|save)$|\.(read_pickle|to_pickle)$"
)


def offences(where: list[Module], rule: re.Pattern[str]) -> list[str]:
    """ "task/x.py:12 os.environ" for each import or use of a name that matches."""
    found = [
        f"{module.path} imports {name}"
        for module in where
        for name in imported(module.tree)
        if rule.search(name)
    ]
    found += [
        f"{module.path}:{line} {name}"
        for module in where
        for line, name in used(module.tree)
        if rule.search(name)
    ]
    return found


def parsed(text: str) -> list[Module]:
    """A module with this text, to see a rule catch something."""
    return [Module("made_up.py", "made_up", text, ast.parse(text))]


def test_pure_modules_read_no_clock() -> None:
    assert offences(pure_modules(), CLOCKS) == []


def test_pure_modules_read_no_environment() -> None:
    assert offences(pure_modules(), ENVIRONMENT) == []


def test_nothing_reads_or_writes_a_pickle() -> None:
    shipped = list(modules(*SHIPPED))

    assert offences(shipped, UNSAFE) == []
    allowed = [
        f"{module.path}:{node.value.lineno}"
        for module in shipped
        for node in ast.walk(module.tree)
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle"
        if not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert allowed == []


def test_the_rules_above_catch_what_they_are_for() -> None:
    clock = parsed("import time\nfrom datetime import datetime\ndatetime.now()\ntime.time()")
    environment = parsed("from os import environ\nimport os\nos.environ['A']\nos.getenv('A')")
    unsafe = parsed("import pickle\nimport torch\ntorch.load(1)\nframe.to_pickle('x')")

    assert len(offences(clock, CLOCKS)) == 3
    assert len(offences(environment, ENVIRONMENT)) == 3
    assert len(offences(unsafe, UNSAFE)) == 3
    assert broad_excepts(parsed("try:\n  pass\nexcept (KeyError, Exception):\n  pass")[0]) == [3]
    assert broad_excepts(parsed("try:\n  pass\nexcept:\n  pass")[0]) == [3]
    assert broad_excepts(parsed("try:\n  pass\nexcept BaseException:\n  raise")[0]) == []


def broad_excepts(module: Module) -> list[int]:
    """The lines of handlers that swallow everything; cleaning up and raising again is not that."""
    broad = {"Exception", "BaseException"}
    return [
        node.lineno
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        if not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
        if node.type is None
        or broad & {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
    ]


def test_only_the_process_boundaries_catch_everything() -> None:
    found = {
        f"{module.path}:{line}"
        for module in modules(*SHIPPED)
        if module.path not in BOUNDARIES
        for line in broad_excepts(module)
    }

    assert found == set()


def test_every_module_says_what_it_is_for() -> None:
    silent = [module.path for module in modules() if not ast.get_docstring(module.tree)]

    assert silent == []


def test_functions_and_files_stay_short() -> None:
    lengths = {
        f"{module.path}:{node.lineno} {node.name}": length(node)
        for module in modules()
        for node in functions(module)
    }
    shipped = sorted(lines for name, lines in lengths.items() if not name.startswith("tests/"))

    assert {name: lines for name, lines in lengths.items() if lines > 80} == {}
    assert statistics.median(shipped) <= 10
    assert shipped[int(len(shipped) * 0.95)] <= 40
    assert {m.path: n for m in modules() if (n := m.text.count("\n")) > 400} == {}


def test_the_import_contract_of_the_pure_modules_names_each_of_them() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (contract,) = [entry for entry in contracts if entry["id"] == "pure"]

    named = set(contract["source_modules"])
    packages = {"task", "task.backtest", "task.models"}  # their __init__ holds a docstring alone
    assert named == {module.name for module in pure_modules()} - packages
    assert not named & EDGES


def test_a_command_starts_without_the_heavy_libraries() -> None:
    # torch alone takes a second; these are imported only once it is known that they are needed.
    users = {"task.models.embedding", "task.commands", "task.show", "common.yaml_document"}
    light = [module.name for module in modules("common", "task") if module.name not in users]
    heavy = ["torch", "pandas", "sklearn", "scipy", "jinja2", "rich", "yaml", "dotenv"]
    code = f"import sys, {', '.join(light)}; print(*sorted(set({heavy}) & set(sys.modules)))"

    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert loaded.stdout.split() == []
