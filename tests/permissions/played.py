"""The two stacks that the proof is about, each with the calls of all its stories."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from infra.settings import dev
from infra.stage import Existing, ExistingDatabase, Stage, Subnet
from local.cloud.template import Template
from local.mariadb import Server
from tests.permissions.calls import Call
from tests.permissions.emulated import emulated
from tests.permissions.proof import Need, needed
from tests.permissions.stack import Stack
from tests.permissions.stories import (
    api_stories,
    task_stories,
    trigger_stories,
    watcher_stories,
)

TEMPLATE = Path(__file__).parents[2] / "infra" / "template.json"
HERE = "us-east-1:123456789012"


@dataclass(frozen=True, kw_only=True)
class Proven:
    """A stack, what was recorded of it, and every question that IAM is asked about it."""

    stack: Stack
    calls: Mapping[str, list[Call]]
    needs: list[Need]


def standalone(_: Path) -> Stack:
    """The committed template: an empty account, a rule, a token of IAM."""
    return Stack(Template.load(TEMPLATE))


def existing(folder: Path) -> Stack:
    """Beside what exists, with all that the other has not: secrets, a public API with a key, a
    key of the topic's own, the Scheduler, and Spot."""
    # Loading the CDK takes seconds, which a test of the committed template need not wait for.
    from aws_cdk import App

    from infra.snapshot import NO_BUNDLES, context
    from infra.stack import RetrainingStack

    given = {**context(), **NO_BUNDLES}
    app = App(outdir=str(folder), context=given, analytics_reporting=False)
    stack = RetrainingStack(app, everything_else(), "unknown")
    made = app.synth().get_stack_by_name(stack.stack_name).template
    return Stack(Template(document=made, stack=stack.stack_name))


def everything_else() -> Stage:
    """The stage whose settings differ from dev's wherever a right depends on one."""
    zones = {"us-east-1a": "subnet-0a1b2c3d", "us-east-1b": "subnet-4e5f6071"}
    place = Existing(
        account="123456789012",
        region="us-east-1",
        vpc_id="vpc-0a1b2c3d",
        subnets=tuple(
            Subnet(subnet_id=subnet, zone=zone, route_table_id=None)
            for zone, subnet in zones.items()
        ),
        adds_endpoints=False,
        vpc_cidr=None,
        database=ExistingDatabase(
            host="hairme.abcdefghijkl.us-east-1.rds.amazonaws.com",
            port=3306,
            security_group_id="sg-0a1b2c3d",
            schema="hairme",
            user="retraining",
            resource_id=None,
            secret_arn=f"arn:aws:secretsmanager:{HERE}:secret:hairme-AbCdEf",
        ),
        cluster_name="hairme",
        # A service that exists takes the same rights, under its own name.
        service_name=None,
        service_security_group_id=None,
        service_port=8080,
        service_url=None,
    )
    api = dev().api
    assert api is not None
    return replace(
        dev(),
        name="prod",
        place=place,
        api=replace(
            api,
            public=True,
            public_subnet_ids=("subnet-8293a4b5", "subnet-c6d7e8f9"),
            certificate_arn=f"arn:aws:acm:{HERE}:certificate/12345678-1234-1234-1234-123456789012",
            host="api.example.com",
            key_secret_arn=f"arn:aws:secretsmanager:{HERE}:secret:hairme-key-AbCdEf",
            database_secret_arn=f"arn:aws:secretsmanager:{HERE}:secret:hairme-api-AbCdEf",
        ),
        scheduler="scheduler",
        capacity="FARGATE_SPOT",
        alert_key=True,
        protected=True,
    )


STACKS = {made.__name__: made for made in (standalone, existing)}


def play(name: str, mariadb: Server, folder: Path) -> str:
    """All stories, played on one of the stacks; once in a process, whose emulator keeps them.

    The answer is JSON, so that other processes need not play them again.
    """
    stack = STACKS[name](folder / "synthesis")
    (folder / "work").mkdir()
    with emulated(stack, mariadb, folder / "work") as cloud:
        for stories in (trigger_stories, watcher_stories, task_stories, api_stories):
            stories(cloud)
    calls = {role: [asdict(call) for call in made] for role, made in cloud.recorder.calls.items()}
    made = {"document": stack.template.document, "stack": stack.template.stack, "calls": calls}
    return json.dumps(made)


def read(text: str) -> Proven:
    """What `play` answered."""
    made = json.loads(text)
    stack = Stack(Template(document=made["document"], stack=made["stack"]))
    calls = {role: [Call(**call) for call in listed] for role, listed in made["calls"].items()}
    return Proven(stack=stack, calls=calls, needs=needed(stack, calls))
