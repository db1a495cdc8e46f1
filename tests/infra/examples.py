"""Stages as a team would fill them in, so that every branch of the stack is synthesised.

`dev` is the committed one. `prod` stands beside what exists, its API included; `staging` takes the
other side of every choice, with a public API of its own; `nat` is dev with the gateway that nobody
gets unasked, and without an API.
"""

from dataclasses import replace

from common.settings import Settings
from infra.settings import dev
from infra.stage import Api, Existing, ExistingDatabase, Stage, Standalone, Subnet

ACCOUNT, REGION = "123456789012", "us-east-1"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:hairme-votes-AbCdEf"
SUBNETS = (
    Subnet(subnet_id="subnet-0a1b2c3d4e5f60718", zone="us-east-1a", route_table_id=None),
    Subnet(subnet_id="subnet-1a1b2c3d4e5f60718", zone="us-east-1b", route_table_id=None),
)
DATABASE = ExistingDatabase(
    host="hairme.abcdefghijkl.us-east-1.rds.amazonaws.com",
    port=3306,
    security_group_id="sg-0a1b2c3d4e5f60718",
    schema="hairme",
    user="retraining",
    resource_id="db-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    secret_arn=None,
)
EXISTING = Existing(
    account=ACCOUNT,
    region=REGION,
    vpc_id="vpc-0a1b2c3d4e5f60718",
    subnets=SUBNETS,
    adds_endpoints=False,
    vpc_cidr=None,
    database=DATABASE,
    cluster_name="hairme",
    service_name="api",
    service_security_group_id="sg-1a1b2c3d4e5f60718",
    service_port=8000,
    service_url="https://api.example.com",
)
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/12345678-1234-1234-1234-123456789012"
KEY = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:hairme-key-AbCdEf"
API_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:hairme-api-AbCdEf"
PUBLIC_SUBNETS = ("subnet-2a1b2c3d4e5f60718", "subnet-3a1b2c3d4e5f60718")


def api() -> Api:
    """The API of dev, as the tests of its settings change it."""
    found = dev().api
    assert found is not None
    return found


def prod() -> Stage:
    """Beside what exists, as carefully as possible."""
    return replace(
        dev(),
        name="prod",
        place=EXISTING,
        api=None,
        reserved_concurrency=1,
        alert_emails=("team@example.com",),
        alert_key=True,
        protected=True,
    )


def staging() -> Stage:
    """The other side of every choice."""
    routed = tuple(
        replace(subnet, route_table_id=f"rtb-{number}a1b2c3d4e5f60718")
        for number, subnet in enumerate(SUBNETS)
    )
    place = replace(
        EXISTING,
        subnets=routed,
        adds_endpoints=True,
        vpc_cidr="10.0.0.0/16",
        database=replace(DATABASE, port=3307, resource_id=None, secret_arn=SECRET),
        service_name=None,
        service_security_group_id=None,
        service_url=None,
    )
    return replace(
        dev(),
        name="staging",
        place=place,
        loop=Settings(min_new_feedback=5),
        scheduler="scheduler",
        time_zone="Asia/Seoul",
        flexible_minutes=15,
        api=replace(
            api(),
            public=True,
            public_subnet_ids=PUBLIC_SUBNETS,
            certificate_arn=CERTIFICATE,
            host="api.example.com",
            key_secret_arn=KEY,
            database_secret_arn=API_SECRET,
            click_share_alarm=0.0,
        ),
        processor="X86_64",
        capacity="FARGATE_SPOT",
        reserved_concurrency=1,
        alert_key=False,
    )


def nat() -> Stage:
    """Dev with a NAT gateway, asked for."""
    place = Standalone(
        outbound="nat", endpoint_zones=1, database_class="db.t4g.micro", database_gb=20
    )
    return replace(dev(), place=place, api=None)


VARIANTS = {"dev": dev, "prod": prod, "staging": staging, "nat": nat}
