"""The database with the votes: the one that exists, or a small one of this stack's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from constructs import Construct

from infra.api import DATABASE_USER, Api
from infra.network import Network
from infra.rights import allow, arn
from infra.stage import Existing, ExistingDatabase, Stage, Standalone

PORT = 3306
SCHEMA = "hairme"
USER = "retraining"
"""As infra/schema.sql names them."""
MASTER = "admin"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """How a user of the database gets in."""

    variables: Mapping[str, str]
    """DATABASE_URL and how to log in."""
    rights: Sequence[iam.PolicyStatement]
    """What logging in takes."""


@dataclass(frozen=True, kw_only=True)
class Votes:
    """How the votes are reached."""

    reader: Entry
    """The loop's, which may read alone."""
    writer: Entry | None
    """The API's, where the stack has one."""
    says: Mapping[str, str] = field(default_factory=dict)
    """What a person needs to make the schema, where the database is new."""


def votes(scope: Construct, stage: Stage, network: Network) -> Votes:
    """The stage's database, with the ways to it opened."""
    if isinstance(stage.place, Existing):
        return _imported(scope, stage.place.database, stage.api, network)
    return Database(scope, stage, stage.place, network).votes


def _imported(
    scope: Construct, database: ExistingDatabase, api: Api | None, network: Network
) -> Votes:
    # Mutable, as it is by default: else the rules would silently not be made.
    group = ec2.SecurityGroup.from_security_group_id(
        scope, "DatabaseGroup", database.security_group_id
    )
    network.connects_to(group, database.port)

    def entry(user: str, secret_arn: str | None) -> Entry:
        url = f"mysql://{user}@{database.host}:{database.port}/{database.schema}"
        if secret_arn is not None:
            return _by_password(url, secret_arn)
        assert database.resource_id, "a stage has one of the two"
        return _by_token(scope, url, database.resource_id, user)

    writer = entry(DATABASE_USER, api.database_secret_arn) if api else None
    return Votes(reader=entry(database.user, database.secret_arn), writer=writer)


def _by_password(url: str, secret_arn: str) -> Entry:
    read = allow("Password", ["secretsmanager:GetSecretValue"], [secret_arn])
    return Entry(variables=_variables(url, DB_SECRET_ARN=secret_arn), rights=[read])


def _by_token(scope: Construct, url: str, resource_id: str, user: str) -> Entry:
    bearer = arn(scope, "rds-db", f"dbuser:{resource_id}/{user}")
    may = allow("LogIn", ["rds-db:connect"], [bearer])
    return Entry(variables=_variables(url, DB_IAM_AUTH="true"), rights=[may])


def _variables(url: str, **log_in: str) -> dict[str, str]:
    return {"DATABASE_URL": url, "DB_CA": "rds", **log_in}


class Database(Construct):
    """A MySQL server in the private subnets, which takes TLS and tokens of IAM."""

    def __init__(self, scope: Construct, stage: Stage, place: Standalone, network: Network) -> None:
        super().__init__(scope, "Database")
        engine = rds.DatabaseInstanceEngine.mysql(version=rds.MysqlEngineVersion.VER_8_4_10)
        group = ec2.SecurityGroup(
            self,
            "Group",
            vpc=network.vpc,
            description="The database: called by whoever reads or writes votes",
            allow_all_outbound=False,
        )
        self.instance = rds.DatabaseInstance(
            self,
            "Instance",
            engine=engine,
            instance_type=ec2.InstanceType(place.database_class.removeprefix("db.")),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=list(network.subnets)),
            security_groups=[group],
            publicly_accessible=False,
            database_name=SCHEMA,
            port=PORT,
            credentials=rds.Credentials.from_username(MASTER),
            manage_master_user_password=True,
            iam_authentication=True,
            parameters={"require_secure_transport": "1"},
            storage_type=rds.StorageType.GP3,
            allocated_storage=place.database_gb,
            storage_encrypted=True,
            backup_retention=Duration.days(7),
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            multi_az=False,
            deletion_protection=stage.protected,
            removal_policy=RemovalPolicy.SNAPSHOT,
        )
        network.connects_to(group, PORT)
        host = self.instance.db_instance_endpoint_address
        resource_id = self.instance.instance_resource_id
        assert resource_id, "an instance of this stack's own has one"

        def entry(user: str) -> Entry:
            return _by_token(self, f"mysql://{user}@{host}:{PORT}/{SCHEMA}", resource_id, user)

        self.votes = Votes(
            reader=entry(USER),
            writer=entry(DATABASE_USER) if stage.api else None,
            says={"DatabaseHost": host, "DatabaseMasterSecret": self._master_secret()},
        )

    def _master_secret(self) -> str:
        secret = self.instance.secret
        assert secret, "RDS manages the master user's password"
        return secret.secret_arn
