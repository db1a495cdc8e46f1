"""The database with the votes: the one that exists, or a small one of this stack's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from constructs import Construct

from infra.network import Network
from infra.rights import allow, arn
from infra.stage import Existing, ExistingDatabase, Stage, Standalone

PORT = 3306
SCHEMA = "hairme"
USER = "retraining"
"""As infra/schema.sql names them."""
MASTER = "admin"


@dataclass(frozen=True, kw_only=True)
class Votes:
    """How the votes are reached."""

    variables: Mapping[str, str]
    """DATABASE_URL and how to log in."""
    rights: Sequence[iam.PolicyStatement]
    """What logging in takes."""
    says: Mapping[str, str] = field(default_factory=dict)
    """What a person needs to make the schema, where the database is new."""


def votes(scope: Construct, stage: Stage, network: Network) -> Votes:
    """The stage's database, with the ways to it opened."""
    if isinstance(stage.place, Existing):
        return _imported(scope, stage.place.database, network)
    return Database(scope, stage, stage.place, network).votes


def _imported(scope: Construct, database: ExistingDatabase, network: Network) -> Votes:
    # Mutable, as it is by default: else the rules would silently not be made.
    group = ec2.SecurityGroup.from_security_group_id(
        scope, "DatabaseGroup", database.security_group_id
    )
    network.connects_to(group, database.port)
    url = f"mysql://{database.user}@{database.host}:{database.port}/{database.schema}"
    if database.secret_arn is not None:
        read = allow("Password", ["secretsmanager:GetSecretValue"], [database.secret_arn])
        return Votes(variables=_variables(url, DB_SECRET_ARN=database.secret_arn), rights=[read])
    assert database.resource_id, "a stage has one of the two"
    return Votes(
        variables=_variables(url, DB_IAM_AUTH="true"),
        rights=[_log_in(scope, database.resource_id, database.user)],
    )


def _variables(url: str, **log_in: str) -> dict[str, str]:
    return {"DATABASE_URL": url, "DB_CA": "rds", **log_in}


def _log_in(scope: Construct, resource_id: str, user: str) -> iam.PolicyStatement:
    return allow(
        "LogIn", ["rds-db:connect"], [arn(scope, "rds-db", f"dbuser:{resource_id}/{user}")]
    )


class Database(Construct):
    """A MySQL server in the private subnets, which takes TLS and tokens of IAM."""

    def __init__(self, scope: Construct, stage: Stage, place: Standalone, network: Network) -> None:
        super().__init__(scope, "Database")
        engine = rds.DatabaseInstanceEngine.mysql(version=rds.MysqlEngineVersion.VER_8_4_10)
        group = ec2.SecurityGroup(
            self,
            "Group",
            vpc=network.vpc,
            description="The database: called by the trigger and the task",
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
        self.votes = Votes(
            variables=_variables(f"mysql://{USER}@{host}:{PORT}/{SCHEMA}", DB_IAM_AUTH="true"),
            rights=[_log_in(self, resource_id, USER)],
            says={"DatabaseHost": host, "DatabaseMasterSecret": self._master_secret()},
        )

    def _master_secret(self) -> str:
        secret = self.instance.secret
        assert secret, "RDS manages the master user's password"
        return secret.secret_arn
