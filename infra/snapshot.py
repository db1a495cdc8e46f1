"""The committed template: what an empty account is asked for, as text that people can review.

    python -m infra.snapshot      # writes infra/template.json

A test holds it equal to synthesis, so every change of the stack shows in the diff of a commit.
It is also what the emulated cloud is set up from, which so needs neither Node nor the CDK.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.app import build
from infra.settings import DEFAULT, stage

ROOT = Path(__file__).parents[1]
PATH = ROOT / "infra" / "template.json"
NO_BUNDLES: Mapping[str, object] = {"aws:cdk:bundling-stacks": []}
_HASH = re.compile(r"\b[0-9a-f]{64}\b")


def context() -> dict[str, Any]:
    """The context that cdk.json gives."""
    read: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return read


def normalised(template: Mapping[str, Any]) -> str:
    """The template with sorted keys; the hashes of code and image change with every edit."""
    text = json.dumps(template, indent=1, sort_keys=True, ensure_ascii=False)
    return _HASH.sub("asset-hash", text) + "\n"


def synthesised() -> str:
    """The default stage's template, normalised."""
    chosen = stage(DEFAULT)
    with TemporaryDirectory() as folder:
        app = build(chosen, revision="unknown", outdir=folder, context={**context(), **NO_BUNDLES})
        template = app.synth().get_stack_by_name(chosen.stack_name).template
    return normalised(template)


if __name__ == "__main__":
    PATH.write_text(synthesised(), encoding="utf-8")
