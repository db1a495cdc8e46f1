"""Synthesises one stage: `npx cdk deploy` runs it, as cdk.json says; `-c stage=prod` chooses.

Synthesis stops at wrong settings, at what CloudFormation itself would refuse, and at whatever
AWS's own rules (cdk-nag) find and `infra/acknowledged.py` gives no reason for.
"""

import os
import sys
from collections.abc import Mapping

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from common.console import steady
from common.errors import UsageError
from infra.acknowledged import acknowledge
from infra.setting_forms import WHERE
from infra.settings import DEFAULT, stage
from infra.stack import RetrainingStack
from infra.stage import Stage


def build(
    chosen: Stage,
    *,
    revision: str,
    outdir: str | None = None,
    context: Mapping[str, object] | None = None,
) -> App:
    """The app with the stage's stack and AWS's rules, not yet synthesised."""
    app = App(outdir=outdir, context=context, analytics_reporting=False)
    return _fill(app, chosen, revision)


def _fill(app: App, chosen: Stage, revision: str) -> App:
    stack = RetrainingStack(app, chosen, revision)
    acknowledge(stack, chosen)
    Validations.of(app).add_plugins(AwsSolutionsChecks())
    return app


def silence(chosen: Stage) -> str | None:
    """What to say of a stage whose alerts reach nobody; None where somebody is told."""
    if chosen.alert_emails:
        return None
    return (
        f"warning: stage {chosen.name} must have somebody to alert, got no alert_emails: write "
        f"them into {WHERE}, or subscribe to the topic {chosen.stack_name}-alerts yourself"
    )


def main() -> int:
    """Synthesise the stage that the context names; 2 for wrong settings."""
    app = App(analytics_reporting=False)
    try:
        chosen = stage(app.node.try_get_context("stage") or DEFAULT)
    except UsageError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    if (warning := silence(chosen)) is not None:
        print(warning, file=sys.stderr)  # noqa: T201
    _fill(app, chosen, os.environ.get("CODE_REVISION") or "unknown").synth()
    return 0


if __name__ == "__main__":
    steady()
    sys.exit(main())
