"""The workflows as GitHub would read them: schema, security, and what they promise."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.code import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
TOOLS = Path(sys.executable).parent


def read(name: str) -> dict[str, Any]:
    # `on` is a truth value in YAML 1.1, which PyYAML reads.
    text = re.sub(r"^on:", '"on":', (FOLDER / name).read_text(), flags=re.MULTILINE)
    workflow: dict[str, Any] = yaml.safe_load(text)
    return workflow


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_every_workflow_fits_the_schema() -> None:
    command: list[str | Path] = [
        TOOLS / "check-jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
    ]
    done = subprocess.run([*command, *WORKFLOWS], capture_output=True, text=True)

    assert WORKFLOWS
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_workflow_has_a_known_weakness() -> None:
    done = subprocess.run(
        [TOOLS / "zizmor", "--quiet", "--offline", "--min-severity=medium", FOLDER],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_foreign_action_is_pinned_to_a_commit(path: Path) -> None:
    used = [each.strip() for each in re.findall(r"uses: (.*)", path.read_text())]

    assert used
    for each in used:
        assert each.startswith("./") or re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", each), each


def test_a_pull_request_is_tested_by_the_commands_of_the_readme() -> None:
    ci = read("ci.yml")

    assert "pull_request" in ci["on"]
    assert commands(ci["jobs"]["test"]) == ["make check", "make test-image"]


def test_what_is_deployed_was_tested_and_prod_comes_after_staging() -> None:
    jobs = read("deploy.yml")["jobs"]

    assert jobs["test"]["uses"].endswith("/ci.yml")
    assert jobs["staging"]["needs"] == "test"
    assert jobs["prod"]["needs"] == "staging"
    assert [jobs[stage]["with"]["stage"] for stage in ("staging", "prod")] == ["staging", "prod"]


def test_a_stage_is_deployed_from_its_own_environment_where_a_person_can_be_asked() -> None:
    job = read("deploy-stage.yml")["jobs"]["deploy"]

    assert job["environment"] == "${{ inputs.stage }}"
    assert commands(job) == ['make deploy STAGE="$STAGE"']


def test_a_token_for_aws_is_asked_for_by_those_jobs_only_that_need_one() -> None:
    holders = {
        (name, job): content["permissions"].get("id-token")
        for name in ("ci.yml", "deploy.yml", "deploy-stage.yml", "diff.yml")
        for job, content in read(name)["jobs"].items()
    }

    assert {each for each, right in holders.items() if right == "write"} == {
        ("deploy.yml", "staging"),
        ("deploy.yml", "prod"),
        ("deploy-stage.yml", "deploy"),
        ("diff.yml", "diff"),
    }


def test_a_difference_is_shown_to_no_fork() -> None:
    condition = read("diff.yml")["jobs"]["diff"]["if"]

    assert condition == "github.event.pull_request.head.repo.full_name == github.repository"
    assert commands(read("diff.yml")["jobs"]["diff"]) == [
        'make diff STAGE="$STAGE" ARGS="--method template"'
    ]
