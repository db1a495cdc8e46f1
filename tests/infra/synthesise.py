"""Synthesises variants in a process of its own: `python -m tests.infra.synthesise OUT NAME…`.

A process of its own, because the CDK brings a Node process along, and because wrong settings and
findings end one. `--forget FINDING` leaves out the reasons for that finding.
"""

import argparse
import sys
from pathlib import Path
from unittest.mock import patch

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from infra import acknowledged
from infra.acknowledged import Kept
from infra.snapshot import NO_BUNDLES, context
from infra.stack import RetrainingStack
from infra.stage import Stage
from tests.infra.examples import VARIANTS


def main(arguments: list[str]) -> None:
    """Synthesise; raises what the CDK raises."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("variants", nargs="+", choices=VARIANTS)
    parser.add_argument("--forget", default="")
    given = parser.parse_args(arguments)
    app = App(outdir=str(given.out), context={**context(), **NO_BUNDLES}, analytics_reporting=False)
    Validations.of(app).add_plugins(AwsSolutionsChecks())
    with patch.object(acknowledged, "findings", _without(given.forget)):
        for name in given.variants:
            stage = VARIANTS[name]()
            acknowledged.acknowledge(RetrainingStack(app, stage, "0123456789ab"), stage)
    app.synth()


def _without(finding: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
    everything = acknowledged.findings

    def kept(stage: Stage) -> list[Kept]:
        return [one for one in everything(stage) if one.finding != finding]

    return kept


if __name__ == "__main__":
    main(sys.argv[1:])
