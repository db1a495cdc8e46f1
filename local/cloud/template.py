"""A CloudFormation template as if it had been deployed: every name and ARN is a plain value.

    template = Template.load(Path("infra/template.json"))
    for logical_id, properties in template.of_type("AWS::S3::Bucket").items(): ...

The emulation and the proof of permissions read the stack by this, so neither holds a name of its
own. Emulators that deploy templates drop half of ours (versioning, roles, schedules), and an
intrinsic that is not understood must be an error, never a guess.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any

from common.errors import UsageError
from local.cloud.physical import DEFAULTS, KINDS, LOWER_CASE, Kind

ACCOUNT = "123456789012"
REGION = "us-east-1"

_HASH = re.compile(r"[0-9A-F]{8}$")
_VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")
_NOTHING = object()


@dataclass(frozen=True, kw_only=True)
class Template:
    """One template with what a deployment would know. Asking for what it lacks is a UsageError."""

    document: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Values of the template's parameters; one that is not given has its default."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Attributes as they are and not as they follow: `{"Database.Endpoint.Address": "::1"}`."""
    stack: str = "HairmeRetraining"
    account: str = ACCOUNT
    region: str = REGION

    @classmethod
    def load(cls, path: Path, **given: Any) -> Template:
        """The template in a JSON file; `given` are the other fields. UsageError if unreadable."""
        try:
            return cls(document=json.loads(path.read_text(encoding="utf-8")), **given)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"a template must be a readable JSON file, got {path} ({error}): "
                "synthesise it again"
            ) from error

    def resource(self, logical_id: str) -> dict[str, Any]:
        """The resource's properties with every intrinsic resolved."""
        resolved = self.resolve(self._raw(logical_id).get("Properties", {}))
        return dict(resolved)

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id → resolved properties of each resource of one type, in template order."""
        return {name: self.resource(name) for name in self._exist() if self.type_of(name) == kind}

    def type_of(self, logical_id: str) -> str:
        """The resource's type, as `AWS::S3::Bucket`."""
        return str(self._raw(logical_id)["Type"])

    def physical(self, logical_id: str) -> str:
        """The resource's name, or its id where it has no name."""
        kind = self._kind(logical_id)
        properties = self._raw(logical_id).get("Properties", {})
        if kind.named_by and kind.named_by in properties:
            return str(self.resolve(properties[kind.named_by]))
        return self._filled(kind.name, logical_id, {"derived": self._derived(logical_id)})

    def ref(self, logical_id: str) -> str:
        """What `Ref` answers: for some types the name, for others the ARN."""
        return self._named(self._kind(logical_id).ref, logical_id)

    def attribute(self, logical_id: str, name: str) -> str:
        """What `Fn::GetAtt` answers."""
        if (given := self.attributes.get(f"{logical_id}.{name}")) is not None:
            return given
        known = self._kind(logical_id).attributes
        if name not in known:
            raise UsageError(
                f"an attribute must be known for {self.type_of(logical_id)}, got {name!r} of "
                f"{logical_id}: use one of {', '.join(known) or 'none'}, or add it to physical.py"
            )
        return self._named(known[name], logical_id)

    def resolve(self, value: Any) -> Any:
        """The value with every intrinsic in it replaced; what is `AWS::NoValue` is left out."""
        resolved = self._resolve(value)
        return None if resolved is _NOTHING else resolved

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [one for one in map(self._resolve, value) if one is not _NOTHING]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            ((name, operand),) = value.items()
            if name == "Ref":
                return self._reference(operand)
            if name.startswith("Fn::"):
                return self._intrinsic(name, operand)
        resolved = {key: self._resolve(inner) for key, inner in value.items()}
        return {key: inner for key, inner in resolved.items() if inner is not _NOTHING}

    def _intrinsic(self, name: str, operand: Any) -> Any:
        known: Mapping[str, Callable[[Any], Any]] = {
            "Fn::FindInMap": self._find,
            "Fn::GetAtt": self._get_attribute,
            "Fn::GetAZs": lambda _: [f"{self.region}{zone}" for zone in "abc"],
            "Fn::If": lambda to: self._resolve(to[1] if self._holds(to[0]) else to[2]),
            "Fn::Join": lambda to: str(to[0]).join(map(str, self._resolve(to[1]))),
            "Fn::Select": lambda to: self._resolve(to[1])[int(self._resolve(to[0]))],
            "Fn::Split": lambda to: str(self._resolve(to[1])).split(to[0]),
            "Fn::Sub": self._substitute,
        }
        if name not in known:
            raise UsageError(
                f"an intrinsic must be one of Ref, {', '.join(known)}, got {name}: "
                "write the template without it, or add it to local/cloud/template.py"
            )
        return known[name](operand)

    def _reference(self, name: str) -> Any:
        pseudo: Mapping[str, Any] = {
            "AWS::AccountId": self.account,
            "AWS::NoValue": _NOTHING,
            "AWS::NotificationARNs": [],
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackId": f"arn:aws:cloudformation:{self.region}:{self.account}:"
            f"stack/{self.stack}/{_hex(self.stack, 32)}",
            "AWS::StackName": self.stack,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.document.get("Parameters", {}):
            return self._parameter(name)
        return self.ref(name)

    def _parameter(self, name: str) -> Any:
        declared = self.document["Parameters"][name]
        value = self.parameters.get(name, declared.get("Default"))
        if value is None:
            raise UsageError(
                f"a parameter without a default must be given, got none for {name!r}: "
                "pass it in `parameters`"
            )
        listed = declared["Type"].startswith("List<") or declared["Type"] == "CommaDelimitedList"
        return value.split(",") if listed and isinstance(value, str) else value

    def _get_attribute(self, operand: Any) -> str:
        logical_id, name = operand.split(".", 1) if isinstance(operand, str) else operand
        return self.attribute(logical_id, self._resolve(name))

    def _find(self, operand: Any) -> Any:
        found: Any = self.document.get("Mappings", {})
        for key in map(self._resolve, operand):
            if key not in found:
                raise UsageError(
                    f"Fn::FindInMap must name a key that is there, got {operand!r}: "
                    f"use one of {', '.join(found) or 'none'}"
                )
            found = found[key]
        return found

    def _substitute(self, operand: Any) -> str:
        text, given = (operand, {}) if isinstance(operand, str) else operand

        def value(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in given:
                return str(self._resolve(given[name]))
            if "." in name and not name.startswith("AWS::"):
                return self._get_attribute(name)
            return str(self._reference(name))

        return _VARIABLE.sub(value, text)

    def _holds(self, condition: Any) -> bool:
        if isinstance(condition, str):
            conditions = self.document.get("Conditions", {})
            if condition not in conditions:
                raise UsageError(
                    f"a condition must be declared, got {condition!r}: "
                    f"use one of {', '.join(conditions) or 'none'}"
                )
            return self._holds(conditions[condition])
        ((name, operand),) = condition.items()
        if name == "Condition":
            return self._holds(operand)
        if name == "Fn::Equals":
            return bool(self._resolve(operand[0]) == self._resolve(operand[1]))
        if name == "Fn::Not":
            return not self._holds(operand[0])
        if name in ("Fn::And", "Fn::Or"):
            return (all if name == "Fn::And" else any)([self._holds(one) for one in operand])
        raise UsageError(
            f"a condition must be Fn::Equals, Fn::Not, Fn::And or Fn::Or, got {name}: "
            "write it with these, or add it to local/cloud/template.py"
        )

    def _exist(self) -> list[str]:
        """The logical ids of the resources whose condition holds."""
        resources = self.document["Resources"]
        return [
            name
            for name, raw in resources.items()
            if "Condition" not in raw or self._holds(raw["Condition"])
        ]

    def _raw(self, logical_id: str) -> Mapping[str, Any]:
        resources: Mapping[str, Mapping[str, Any]] = self.document["Resources"]
        if logical_id not in resources:
            raise UsageError(
                f"a reference must name a parameter or a resource of the template, got "
                f"{logical_id!r}: use a logical id that is there"
            )
        return resources[logical_id]

    def _kind(self, logical_id: str) -> Kind:
        kind = KINDS.get(self.type_of(logical_id))
        if kind is None:
            raise UsageError(
                f"a resource that is referred to must be of a known type, got {logical_id} of "
                f"{self.type_of(logical_id)}: add its names to local/cloud/physical.py"
            )
        return kind

    def _named(self, text: str, logical_id: str) -> str:
        return self._filled(text, logical_id, {"name": self.physical(logical_id)})

    def _filled(self, text: str, logical_id: str, values: Mapping[str, str]) -> str:
        """The text with its braces filled; a capitalised one is a property of the resource."""
        known = {
            **values,
            "account": self.account,
            "id": _hex(logical_id, 17),
            "ID": _hex(logical_id, 20).upper(),
            "partition": "aws",
            "region": self.region,
        }
        properties = self._raw(logical_id).get("Properties", {})
        for _, name, _, _ in Formatter().parse(text):
            if name and name not in known:
                value = str(self.resolve(properties.get(name, DEFAULTS.get(name, ""))))
                # A service may name its cluster by the ARN; its own ARN has the name.
                known[name] = value.rpartition("/")[2] if name == "Cluster" else value
        return text.format_map(known)

    def _derived(self, logical_id: str) -> str:
        """`Stack-Logical`, without the hash that a generated logical id ends in where it can."""
        short = Counter(_HASH.sub("", name) for name in self.document["Resources"])
        bare = _HASH.sub("", logical_id)
        name = f"{self.stack}-{bare if short[bare] == 1 else logical_id}"
        return name.lower() if self.type_of(logical_id) in LOWER_CASE else name


def _hex(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
