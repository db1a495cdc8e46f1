"""The documents for operators against the system: every name, command and link in them is real."""

import json
import re
import subprocess
from functools import cache
from typing import Any, get_args

import botocore.session
import jmespath  # type: ignore[import-untyped]
import pytest
from botocore import xform_name

from infra.snapshot import PATH as TEMPLATE
from retrain_trigger import alerts, metrics
from retrain_trigger.stopped import Cause
from task import cli
from tests.architecture.code import ROOT
from tests.infra.documents import Document, commands

NAMES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
DOCUMENTS = [Document.read(name) for name in NAMES]
DEPLOY, RUNBOOK = Document.read("docs/deploy.md"), Document.read("docs/runbook.md")
FOR_OPERATORS = (DEPLOY, RUNBOOK)
RESOURCES: dict[str, dict[str, Any]] = json.loads(TEMPLATE.read_text())["Resources"]
OUTPUTS: dict[str, Any] = json.loads(TEMPLATE.read_text())["Outputs"]
STACK = "HairmeRetraining-dev"
# What the command line of AWS has beyond the services' own operations, and for all of them.
CLI_OWN = {"s3 cp", "s3 rm", "logs tail"}
CLI_OPTIONS = {"cli-binary-format", "cli-input-json", "cli-read-timeout", "output", "query"}

each = pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
each_for_operators = pytest.mark.parametrize("document", FOR_OPERATORS, ids=["deploy", "runbook"])


def physical(kind: str, name: str) -> set[str]:
    """The names of all resources of a kind, without the stack's."""
    return {
        resource["Properties"][name].removeprefix(f"{STACK}-")
        for resource in RESOURCES.values()
        if resource["Type"] == f"AWS::{kind}"
    }


ALARMS = physical("CloudWatch::Alarm", "AlarmName")
FUNCTIONS = physical("Lambda::Function", "FunctionName")
RULES = physical("Events::Rule", "Name")
QUEUES, TOPICS = physical("SQS::Queue", "QueueName"), physical("SNS::Topic", "TopicName")
SERVICES = physical("ECS::Service", "ServiceName")
LOG_GROUPS = physical("Logs::LogGroup", "LogGroupName")


@pytest.mark.parametrize("alarm", sorted(ALARMS))
def test_every_alarm_has_a_row_with_a_first_command_and_a_section(alarm: str) -> None:
    table = RUNBOOK.section("Which alarm")
    (row,) = [line for line in table.splitlines() if line.startswith(f"| [`{alarm}`](#{alarm}) |")]

    first = row.split("|")[3]
    assert re.search(r"`(aws|task|ask) |\]\(#", first), first
    assert len(RUNBOOK.section(alarm).strip()) > 50


def test_no_section_is_about_an_alarm_that_does_not_exist() -> None:
    table = RUNBOOK.section("Which alarm")

    assert set(re.findall(r"^\| \[`([a-z-]+)`\]", table, flags=re.MULTILINE)) == ALARMS
    assert set(re.findall(r"^### (.+)$", table, flags=re.MULTILINE)) == ALARMS


def test_every_message_has_a_row_by_what_stands_in_its_subject() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", RUNBOOK.section("Which message"), flags=re.MULTILINE)

    exits = {f"exit {code}" for code in alerts.FIRST_BY_EXIT}
    causes = {cause.replace("_", " ") for cause in get_args(Cause)} - {"ended"}
    assert sorted(rows) == sorted(exits | causes)
    assert "a task without a run failed" in RUNBOOK.section("Which message")


@each_for_operators
def test_every_output_that_is_read_is_one_of_the_stack(document: Document) -> None:
    # (`out of memory` is prose.)
    calls = [words for words in document.commands() if words[0] == "out" and words[1:]]
    read = {words[1] for words in calls if words[1] != "of"}

    assert read
    assert {f"{name}Is" for name in read} <= OUTPUTS.keys()


@each_for_operators
def test_every_name_that_begins_with_the_stacks_is_one_of_its_resources(
    document: Document,
) -> None:
    code = "\n".join(document.scripts())

    named = set(re.findall(r"\$STACK-([a-z-]+)", code))
    asked = {words[1] for words in document.commands() if words[0] == "ask" and words[1:]}
    logs = set(re.findall(r"/hairme/\$STACK/(\w+)", code))
    assert asked
    assert asked <= FUNCTIONS
    assert named <= FUNCTIONS | RULES | QUEUES | TOPICS | SERVICES
    assert logs
    assert {f"/hairme/{STACK}/{name}" for name in logs} <= LOG_GROUPS


def test_the_rule_that_is_paused_is_the_one_that_invokes_the_trigger() -> None:
    paused = [
        words for words in RUNBOOK.commands() if words[:3] == ["aws", "events", "disable-rule"]
    ]

    assert [words[words.index("--name") + 1] for words in paused] == ["$STACK-schedule"]
    (rule,) = [
        resource["Properties"]
        for resource in RESOURCES.values()
        if resource.get("Properties", {}).get("Name") == f"{STACK}-schedule"
    ]
    target = rule["Targets"][0]["Arn"]["Fn::GetAtt"][0]
    assert RESOURCES[target]["Properties"]["FunctionName"] == f"{STACK}-trigger"


@each
def test_every_target_of_make_exists(document: Document) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))

    for words in document.commands():
        if words[0] == "make" and words[1:]:
            assert words[1] in targets, words


@each
def test_every_command_of_the_loop_is_one_that_its_parser_takes(
    document: Document, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in document.commands():
        if arguments := of_the_loop(words):
            try:
                cli.parse(arguments)
            except SystemExit:
                pytest.fail(f"{words}: {capsys.readouterr().err}")


def of_the_loop(words: list[str]) -> list[str]:
    """The arguments of a call of the loop, by any of its names."""
    if words[0] in ("task", "inside") and words[1:] and words[1] not in ("()", "$@"):
        return words[1:]
    if "-m" in words and words[words.index("-m") + 1 :][:1] == ["task"]:
        given = words[words.index("-m") + 2 :]
        return [] if given[:1] in ([], ["$@"], ["COMMAND"]) else given
    return []


def test_commands_of_the_loop_are_found_at_all() -> None:
    found = [of_the_loop(words) for words in RUNBOOK.commands()]

    assert ["rollback", "--dry-run"] in found
    assert ["doctor"] in [of_the_loop(words) for words in DEPLOY.commands()]


@cache
def service(name: str) -> Any:
    real = {"s3api": "s3"}.get(name, name)
    return botocore.session.get_session().get_service_model(real)


def wrong(words: list[str]) -> str:
    """What is wrong with a command of AWS's command line, by the services' own models."""
    _, name, operation, *rest = words
    if f"{name} {operation}" in CLI_OWN:
        return ""
    if operation == "wait":
        waiters = botocore.session.get_session().get_waiter_model(name).waiter_names
        return "" if rest[0] in {xform_name(each, "-") for each in waiters} else "no such waiter"
    model = service(name)
    known = {xform_name(each, "-"): each for each in model.operation_names}
    if operation not in known:
        return f"no operation {operation}"
    shape = model.operation_model(known[operation]).input_shape
    members = {xform_name(each, "-"): each for each in (shape.members if shape else {})}
    options = {word[2:] for word in rest if re.match(r"--[a-z]", word)} - CLI_OPTIONS
    given = {option.removeprefix("no-") for option in options}
    if unknown := given - members.keys():
        return f"no option {unknown}"
    needed = {xform_name(each, "-") for each in (shape.required_members if shape else ())}
    if "--cli-input-json" not in words and (missing := needed - given):
        return f"needs {missing}"
    return ""


@each
def test_every_command_of_aws_is_one_that_the_service_knows(document: Document) -> None:
    found = [words for words in document.commands() if words[0] == "aws" and len(words) > 2]

    assert [(words, reason) for words in found if (reason := wrong(words))] == []
    assert found or document.path.name not in ("deploy.md", "runbook.md", "trigger.md")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("aws events disable-rule", "needs {'name'}"),
        ("aws events stop-rule --name x", "no operation stop-rule"),
        ("aws events disable-rule --name x --rule y", "no option {'rule'}"),
        ("aws dynamodb wait table-there", "no such waiter"),
        ("aws rds modify-db-instance --db-instance-identifier x --no-apply-immediately", ""),
    ],
)
def test_a_wrong_command_of_aws_would_be_found(command: str, why: str) -> None:
    (words,) = commands(command)

    assert wrong(words) == why


@each_for_operators
def test_every_query_of_an_answer_can_be_read(document: Document) -> None:
    queries = [
        words[words.index("--query") + 1] for words in document.commands() if "--query" in words
    ]

    assert queries
    for query in queries:
        jmespath.compile(query)


@each_for_operators
def test_every_block_of_shell_is_shell(document: Document) -> None:
    for block in document.blocks("sh"):
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), block


def test_both_pages_begin_with_the_same_words_but_for_the_stage() -> None:
    def functions(document: Document) -> dict[str, str]:
        first = document.blocks("sh")[0].replace("\\\n", "")
        return dict(re.findall(r"^(\w+)\(\) (\{.*?; \})$", first, flags=re.MULTILINE))

    def exports(document: Document) -> str:
        lines = document.blocks("sh")[0].splitlines()
        return re.sub("STAGE=[a-z]+", "", "\n".join(line for line in lines if "export" in line))

    deploy, runbook = functions(DEPLOY), functions(RUNBOOK)
    assert runbook.keys() == {"out", "ask", "task", "inside"}
    assert runbook.items() <= deploy.items()
    assert exports(DEPLOY) == exports(RUNBOOK)


@each_for_operators
def test_every_name_in_code_occurs_in_the_code(document: Document) -> None:
    names = {
        name
        for span in document.spans()
        for name in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", span)
        if not re.search(r"[ /:]", span)
    }

    rooms = ("infra", "common", "task", "lambda")
    files = [file for room in rooms for file in (ROOT / room).rglob("*.*")]
    code = "\n".join(file.read_text() for file in files if file.suffix in (".py", ".sql"))
    assert names
    assert {name for name in names if name not in code} == set()
    assert metrics.DAYS_SINCE_SUCCESS in RUNBOOK.spans()


@each
def test_every_link_leads_somewhere(document: Document) -> None:
    for link in document.links():
        file, _, anchor = link.partition("#")
        target = (document.path.parent / file).resolve() if file else document.path
        assert target.exists(), link
        if anchor:
            page = Document.read(str(target.relative_to(ROOT)))
            assert anchor in page.anchors(), link


def test_what_the_pages_leave_behind_is_not_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()

    assert {".env.*", "!.env.example", "*.pyz"} <= set(ignored)
