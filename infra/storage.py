"""What must outlive the stack: the store of model versions and the registry.

Neither has a name of its own: after a removal both stay, and a second stack must not stumble
over their names.
"""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.rights import allow
from infra.stage import Stage

PREFIX = "store"


class Storage(Construct):
    """The bucket and the table, and the rights to use them."""

    def __init__(self, scope: Construct, stage: Stage) -> None:
        super().__init__(scope, "Storage")
        self.bucket = s3.Bucket(
            self,
            "Models",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
            lifecycle_rules=[
                # Old versions and broken uploads alone: a live model has no age.
                s3.LifecycleRule(
                    id="old-versions",
                    noncurrent_version_expiration=Duration.days(stage.old_version_days),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
        )
        self.table = dynamodb.Table(
            self,
            "Registry",
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=stage.protected,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )

    @property
    def store_url(self) -> str:
        """STORE_URL."""
        return f"s3://{self.bucket.bucket_name}/{PREFIX}"

    @property
    def registry_url(self) -> str:
        """REGISTRY_URL."""
        return f"dynamodb://{self.table.table_name}"

    def registry_rights(self) -> list[iam.PolicyStatement]:
        """What every process does to the registry."""
        # What is deleted stays as an item without a text: nothing is removed.
        actions = ("GetItem", "Query", "PutItem", "ConditionCheckItem")
        return [
            allow("Registry", (f"dynamodb:{action}" for action in actions), [self.table.table_arn])
        ]

    def reading_rights(self) -> list[iam.PolicyStatement]:
        """What the API does: it looks up which version is active, and fetches its files."""
        models = self.bucket.arn_for_objects(f"{PREFIX}/models/*")
        look_up = ["dynamodb:GetItem", "dynamodb:Query"]
        return [
            allow("Registry", look_up, [self.table.table_arn]),
            allow("StoreFiles", ["s3:GetObject"], [models]),
            # As for the task: else a version that is gone would read as an outage.
            allow("StoreListing", ["s3:ListBucket"], [self.bucket.bucket_arn]),
        ]

    def store_rights(self) -> list[iam.PolicyStatement]:
        """What the task does to the store."""
        actions = ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload")
        files = self.bucket.arn_for_objects(f"{PREFIX}/*")
        return [
            allow("StoreFiles", (f"s3:{action}" for action in actions), [files]),
            # Without it S3 answers 403 for a file that is not there, which reads as an outage. Not
            # bound to the prefix: that question has none, and would be refused. Whether older
            # versions are kept is the doctor's question.
            allow(
                "StoreListing",
                ["s3:ListBucket", "s3:GetBucketVersioning"],
                [self.bucket.bucket_arn],
            ),
        ]
