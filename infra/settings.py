"""The three stages: what each is made of. This is the file to edit.

    npx cdk deploy                  dev, in an empty account: makes its own network and database
    npx cdk deploy -c stage=prod    beside what exists, once its ids are filled in below

`staging` and `prod` come with ids that cannot be right: synthesis stops and names all of them
until each is replaced. Rules and meanings of the fields stand in `infra/stage.py`,
`infra/place.py` and `infra/api.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from common.errors import UsageError
from common.settings import Settings
from infra.setting_forms import FILL_IN, WHERE, unfilled
from infra.stage import Api, Existing, ExistingDatabase, Stage, Standalone, Subnet

DEFAULT = "dev"


def dev() -> Stage:
    """Small and removable; all it needs is an account."""
    return Stage(
        name="dev",
        place=Standalone(
            outbound="endpoints",
            endpoint_zones=1,
            database_class="db.t4g.micro",
            database_gb=20,
        ),
        loop=Settings(),
        scheduler="rule",
        time_zone="UTC",
        flexible_minutes=0,
        processor="ARM64",
        task_cpu=1_024,
        task_memory=4_096,
        capacity="FARGATE",
        cooldown_minutes=0,
        max_age_days=0,
        api=_inside(),
        reserved_concurrency=None,
        refusals_alarm=4,
        alert_emails=(),
        alert_key=True,
        log_days=30,
        old_version_days=30,
        protected=False,
    )


def staging() -> Stage:
    """As prod, on Spot and with shorter memory."""
    return Stage(
        name="staging",
        # It tells no service: the API reads one registry, and that is prod's.
        place=replace(_fill_in(), service_name=None),
        loop=Settings(),
        scheduler="rule",
        time_zone="UTC",
        flexible_minutes=0,
        processor="ARM64",
        task_cpu=1_024,
        task_memory=4_096,
        capacity="FARGATE_SPOT",
        cooldown_minutes=0,
        max_age_days=0,
        api=None,
        reserved_concurrency=1,
        refusals_alarm=4,
        alert_emails=(),
        alert_key=True,
        log_days=30,
        old_version_days=30,
        protected=True,
    )


def prod() -> Stage:
    """The one that people meet."""
    return Stage(
        name="prod",
        place=_fill_in(),
        # A service that exists is taken for one that cannot say which model it answers with:
        # then more than its deployment cannot be proved, and nothing of it needs to change. Once
        # it can, fill in service_security_group_id and set verify to "model".
        loop=Settings(verify="deployment"),
        scheduler="rule",
        time_zone="UTC",
        flexible_minutes=0,
        processor="ARM64",
        task_cpu=1_024,
        task_memory=4_096,
        capacity="FARGATE",
        cooldown_minutes=0,
        max_age_days=0,
        api=None,
        reserved_concurrency=1,
        refusals_alarm=4,
        alert_emails=(),
        alert_key=True,
        log_days=365,
        old_version_days=90,
        protected=True,
    )


def _inside() -> Api:
    """A small API for whoever is in the network, without a key."""
    return Api(
        public=False,
        public_subnet_ids=(),
        certificate_arn=None,
        host=None,
        key_secret_arn=None,
        database_secret_arn=None,
        min_tasks=2,
        max_tasks=10,
        cpu=256,
        memory=1_024,
        requests_per_task=6_000,
        errors_alarm=5,
        p95_alarm_ms=200,
        click_share_alarm=0.01,
        click_share_from=1_000,
    )


def _fill_in() -> Existing:
    """What exists in your account; copy it into each stage if the two differ."""
    return Existing(
        account=FILL_IN,
        region=FILL_IN,
        vpc_id=FILL_IN,
        subnets=(
            Subnet(subnet_id=FILL_IN, zone=FILL_IN, route_table_id=None),
            Subnet(subnet_id=FILL_IN, zone=FILL_IN, route_table_id=None),
        ),
        adds_endpoints=False,
        vpc_cidr=None,
        database=ExistingDatabase(
            host=FILL_IN,
            port=3306,
            security_group_id=FILL_IN,
            schema="hairme",
            user="retraining",
            resource_id=FILL_IN,
            secret_arn=None,
        ),
        cluster_name=FILL_IN,
        service_name=FILL_IN,
        service_security_group_id=None,
        service_port=8080,
        service_url=None,
    )


STAGES: Mapping[str, Callable[[], Stage]] = {"dev": dev, "staging": staging, "prod": prod}


def stage(name: str, *, as_it_is: bool = False) -> Stage:
    """The stage of this name. Raises UsageError: no such stage, or ids are not filled in.

    as_it_is: ids may be missing, as they do not matter to what it costs.
    """
    if name not in STAGES:
        raise UsageError(
            f"stage must be one of {', '.join(STAGES)}, got {name!r}: "
            "give it as -c stage=prod, or make deploy STAGE=prod"
        )
    try:
        with unfilled() as missing:
            made = STAGES[name]()
    except UsageError as error:
        raise UsageError(f"stage {name}: {error}") from error
    if missing and not as_it_is:
        raise UsageError(
            f"stage {name}: every id must be filled in, got {FILL_IN!r} for "
            f"{', '.join(dict.fromkeys(missing))}: write yours into {WHERE}"
        )
    return made
