"""The stack as a picture, drawn from its template: `make picture` writes docs/stack.svg.

Boxes, figures and arrows are read from the committed template: a rule's arrow goes where its
target is, a process's arrows where its role has rights. Only the places on the sheet are ours;
a kind of resource that has neither a box nor a line here fails the drawing, so that the picture
cannot leave out what is new. By hand and not by a diagram tool: it is a page of plain SVG that
a reader sees in the repository, in light and dark.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from infra.api import DATABASE_USER

ROOT = Path(__file__).parents[1]
ELB = "ElasticLoadBalancingV2::LoadBalancer"
TEMPLATE, PICTURE = ROOT / "infra/template.json", ROOT / "docs/stack.svg"
BOX_W, BOX_H = 214, 74
SHEET_W, SHEET_H = 1240, 736

PLACES: Mapping[str, tuple[str, int, int]] = {
    "AWS::ECS::TaskDefinition": ("Training task", 640, 96),
    "AWS::RDS::DBInstance": ("Votes", 340, 96),
    "AWS::S3::Bucket": ("Model store", 990, 96),
    "AWS::DynamoDB::Table": ("Registry", 990, 226),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("Load balancer", 640, 226),
    "AWS::SNS::Topic": ("Alerts", 990, 526),
    "AWS::SQS::Queue": ("Undelivered", 36, 226),
    "AWS::CloudWatch::Alarm": ("Alarms", 640, 626),
}
"""Type → name and place of its box; functions and rules are told apart by their own names."""
NAMED: Mapping[str, tuple[str, int, int]] = {
    "Schedule": ("Schedule", 36, 96),
    "Trigger": ("Trigger", 340, 226),
    "ServingDefinition": ("API", 640, 356),
    "HealerDeployment": ("A deployment ended", 36, 356),
    "HealerTaskEnded": ("A task ended", 36, 526),
    "HealerDaily": ("Daily look", 36, 626),
    "Healer": ("Healer", 340, 356),
    "WatcherTaskEnded": ("A task ended", 36, 526),
    "WatcherDaily": ("Daily look", 36, 626),
    "Watcher": ("Watcher", 340, 526),
}
"""Beginning of the logical id → name and place of its box; the longest that fits."""
UNDRAWN = {
    "AWS::ApplicationAutoScaling::ScalableTarget": "",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "",
    "AWS::CloudWatch::Dashboard": "one dashboard",
    "AWS::EC2::RouteTable": "",
    "AWS::EC2::SecurityGroup": "",
    "AWS::EC2::SecurityGroupEgress": "",
    "AWS::EC2::SecurityGroupIngress": "",
    "AWS::EC2::Subnet": "",
    "AWS::EC2::SubnetRouteTableAssociation": "",
    "AWS::EC2::VPC": "",
    "AWS::EC2::VPCEndpoint": "",
    "AWS::ECS::Cluster": "",
    "AWS::ECS::Service": "",
    "AWS::ElasticLoadBalancingV2::Listener": "",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "",
    "AWS::IAM::Role": "",
    "AWS::KMS::Key": "",
    "AWS::Lambda::EventInvokeConfig": "",
    "AWS::Lambda::Permission": "",
    "AWS::Logs::LogGroup": "",
    "AWS::Logs::MetricFilter": "",
    "AWS::RDS::DBParameterGroup": "",
    "AWS::RDS::DBSubnetGroup": "",
    "AWS::S3::BucketPolicy": "",
    "AWS::SNS::TopicPolicy": "",
    "AWS::SQS::QueuePolicy": "",
}
"""What belongs to a box or to the network's frame."""


@dataclass(frozen=True)
class Box:
    """One box: its place, its name and a line of figures."""

    x: int
    y: int
    name: str
    says: str


Resources = Mapping[str, Mapping[str, Any]]


def draw(template: Mapping[str, Any]) -> str:
    """The picture of a template as SVG. Raises ValueError for a resource it has no place for."""
    resources: Resources = template["Resources"]
    boxes = dict(_boxes(resources))
    arrows = sorted(set(_arrows(resources, boxes)))
    parts = [
        _frame(resources),
        *(_arrow(boxes[start], boxes[end], says) for start, end, says in arrows),
        *(_drawn(box) for box in dict.fromkeys(boxes.values())),
    ]
    return _sheet("\n".join(parts))


def _boxes(resources: Resources) -> Iterator[tuple[str, Box]]:
    """Logical id → box; all alarms share one, and so do rules that say the same."""
    alarms = sum(each["Type"] == "AWS::CloudWatch::Alarm" for each in resources.values())
    for name, resource in resources.items():
        kind = resource["Type"]
        if kind in UNDRAWN:
            continue
        fits = [start for start in NAMED if name.startswith(start)]
        place = NAMED[max(fits, key=len)] if fits else PLACES.get(kind)
        if place is None:
            raise ValueError(f"{name} is of a kind without a place in the picture: {kind}")
        title, x, y = place
        says = f"{alarms} alarms" if kind == "AWS::CloudWatch::Alarm" else _says(resource)
        yield name, Box(x=x, y=y, name=title, says=says)


def _says(resource: Mapping[str, Any]) -> str:
    """The figures that matter of a resource, in a few words."""
    has = resource["Properties"]
    match resource["Type"]:
        case "AWS::Events::Rule":
            pattern = has.get("EventPattern", {}).get("detail-type", [""])
            return str(has.get("ScheduleExpression") or pattern[0])
        case "AWS::Lambda::Function":
            return f"Lambda, {has['Runtime']}, {has['Timeout']} s"
        case "AWS::ECS::TaskDefinition":
            size = f"{int(has['Cpu']) / 1024:g} CPU, {int(has['Memory']) / 1024:g} GB"
            return f"Fargate, {has['RuntimePlatform']['CpuArchitecture']}, {size}"
        case "AWS::RDS::DBInstance":
            return f"RDS {has['Engine']} {has['EngineVersion']}, {has['DBInstanceClass']}"
        case "AWS::S3::Bucket":
            return f"S3, versions {has['VersioningConfiguration']['Status'].lower()}, kept"
        case "AWS::DynamoDB::Table":
            return "DynamoDB, restorable, kept"
        case "AWS::ElasticLoadBalancingV2::LoadBalancer":
            return f"ALB, {has['Scheme']}"
        case "AWS::SQS::Queue":
            return f"SQS, kept {has['MessageRetentionPeriod'] // 86_400} days"
        case _:
            return "SNS, to whoever subscribes"


def _arrows(resources: Resources, boxes: Mapping[str, Box]) -> Iterator[tuple[str, str, str]]:
    """(from, to, words) as logical ids: targets of rules, rights of roles, actions of alarms, and
    who asks the load balancer, whose address is in the environment."""
    first = {box: name for name, box in reversed(list(boxes.items()))}
    for name, resource in resources.items():
        has, kind = resource["Properties"], resource["Type"]
        if kind == "AWS::Events::Rule":
            yield from ((name, each, "") for each in _named(has["Targets"], resources, "Function"))
        elif kind == "AWS::CloudWatch::Alarm":
            yield from (
                (first[boxes[name]], each, "") for each in _named(has["AlarmActions"], boxes, "")
            )
        elif kind in ("AWS::Lambda::Function", "AWS::ECS::TaskDefinition"):
            role = has["TaskRoleArn" if "TaskRoleArn" in has else "Role"]
            yield from _by_right(name, role["Fn::GetAtt"][0], resources, boxes)
            told = has.get("Environment") or has["ContainerDefinitions"][0]["Environment"]
            yield from ((name, each, "proves") for each in _named(told, resources, "LoadBalancer"))
        elif kind == "AWS::ECS::Service":
            behind = _named(has["TaskDefinition"], resources, "TaskDefinition")
            doors = [each for each in boxes if _is(resources[each], ELB)]
            yield from ((door, each, "") for door in doors for each in behind)


def _by_right(
    name: str, role: str, resources: Resources, boxes: Mapping[str, Box]
) -> Iterator[tuple[str, str, str]]:
    policies = resources[role]["Properties"]["Policies"]
    for statement in (
        each for policy in policies for each in policy["PolicyDocument"]["Statement"]
    ):
        if statement["Effect"] == "Allow" and statement.get("Sid") != "PassRoles":
            for each in _named(statement["Resource"], boxes, ""):
                yield name, each, _words(statement)


def _words(statement: Mapping[str, Any]) -> str:
    """The arrow's words for a statement of a role."""
    words = {"Launch": "launches", "Tell": "tells"}
    if statement.get("Sid") == "StoreFiles":
        return "publishes" if "s3:PutObject" in statement["Action"] else "fetches"
    if statement.get("Sid") == "LogIn":
        return "votes" if DATABASE_USER in json.dumps(statement["Resource"]) else "reads"
    return words.get(str(statement.get("Sid")), "")


def _named(value: Any, among: Mapping[str, Any], kind: str) -> list[str]:
    """The logical ids that a value refers to, among these and, if given, of this kind."""
    text = json.dumps(value)
    return [
        name
        for name in among
        if f'"{name}"' in text and (not kind or str(among[name]["Type"]).endswith(f"::{kind}"))
    ]


def _frame(resources: Resources) -> str:
    """The network, with what it opens to."""
    ends = [each["Properties"] for each in resources.values() if _is(each, "EC2::VPCEndpoint")]
    kinds = Counter(str(end.get("VpcEndpointType", "Gateway")) for end in ends)
    nat = any(_is(each, "EC2::NatGateway") for each in resources.values())
    ways = [f"{number} {kind.lower()} endpoints" for kind, number in sorted(kinds.items())]
    words = f"private subnets, no public address; {', '.join(ways)}{'' if nat else '; no NAT'}"
    return (
        '<rect class="net" x="316" y="46" width="562" height="410" rx="10"/>'
        f'<text class="small" x="330" y="70">{escape(words)}</text>'
    )


def _is(resource: Mapping[str, Any], kind: str) -> bool:
    return str(resource["Type"]) == f"AWS::{kind}"


def _arrow(start: Box, end: Box, says: str) -> str:
    """A curve from the nearer side of one box to that of the other."""
    if abs(start.x - end.x) < BOX_W:
        x1, y1 = start.x + BOX_W // 2, start.y + (BOX_H if end.y > start.y else 0)
        x2, y2 = end.x + BOX_W // 2, end.y + (0 if end.y > start.y else BOX_H)
        middle = (y1 + y2) // 2
        path = f"M{x1} {y1} C{x1} {middle} {x2} {middle} {x2} {y2}"
    else:
        right = end.x > start.x
        x1, y1 = start.x + (BOX_W if right else 0), start.y + BOX_H // 2
        x2, y2 = end.x + (0 if right else BOX_W), end.y + BOX_H // 2
        middle = (x1 + x2) // 2
        path = f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"
    label = ""
    if says:
        at_x, at_y = (x1 + x2) // 2, (y1 + y2) // 2
        label = f'<text class="edge" x="{at_x}" y="{at_y - 6}">{escape(says)}</text>'
    return f'<path class="arrow" d="{path}"/>{label}'


def _drawn(box: Box) -> str:
    return (
        f'<rect class="box" x="{box.x}" y="{box.y}" width="{BOX_W}" height="{BOX_H}" rx="8"/>'
        f'<text class="name" x="{box.x + 14}" y="{box.y + 31}">{escape(box.name)}</text>'
        f'<text class="small" x="{box.x + 14}" y="{box.y + 54}">{escape(box.says)}</text>'
    )


def _sheet(content: str) -> str:
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SHEET_W} {SHEET_H}" role="img">
<title>The stack: a schedule, three functions, a task, an API, and what they use</title>
<style>
:root {{ color-scheme: light dark; --ink: #1d2733; --soft: #5d6b7a; --line: #8793a1;
 --box: #ffffff; --net: #eef3f8; --page: #fafbfc; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e8edf2; --soft: #a5b1be; --line: #77838f;
 --box: #1f2831; --net: #182028; --page: #11171d; }} }}
text {{ font-family: system-ui, sans-serif; fill: var(--ink); }}
.page {{ fill: var(--page); }}
.net {{ fill: var(--net); stroke: var(--line); stroke-dasharray: 5 4; }}
.box {{ fill: var(--box); stroke: var(--line); }}
.name {{ font-size: 16px; font-weight: 600; }}
.small, .edge {{ font-size: 12px; fill: var(--soft); }}
.edge {{ text-anchor: middle; paint-order: stroke; stroke: var(--page); stroke-width: 4px; }}
.arrow {{ fill: none; stroke: var(--line); stroke-width: 1.6; marker-end: url(#head); }}
.head {{ fill: var(--line); }}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
 orient="auto"><path class="head" d="M0 0 L8 4 L0 8 Z"/></marker></defs>
<rect class="page" width="{SHEET_W}" height="{SHEET_H}"/>
{content}
</svg>
"""


def main() -> int:
    """Write the picture of the committed template."""
    PICTURE.write_text(draw(json.loads(TEMPLATE.read_text("utf-8"))), "utf-8")
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
