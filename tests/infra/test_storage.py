"""The store and the registry outlive the stack, and nobody else reads them."""

from tests.infra.controls import control
from tests.infra.stacks import Synthesised

AREA = "Store and registry"


@control(AREA, "The bucket is private, whatever a policy or a list of rights says", "S3.8")
def test_the_bucket_is_never_public(every: Synthesised) -> None:
    bucket = every.one("S3::Bucket")

    assert bucket["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


@control(AREA, "The bucket is reached over TLS 1.2 or newer, or not at all", "S3.5")
def test_the_bucket_refuses_whoever_comes_without_tls(every: Synthesised) -> None:
    document = every.one("S3::BucketPolicy")["PolicyDocument"]
    arn = every.arn("S3::Bucket")

    denied = {str(s["Condition"]): s for s in document["Statement"] if s["Effect"] == "Deny"}

    assert denied.keys() == {
        "{'Bool': {'aws:SecureTransport': 'false'}}",
        "{'NumericLessThan': {'s3:TlsVersion': 1.2}}",
    }
    for statement in denied.values():
        assert statement["Principal"] == {"AWS": "*"}
        assert statement["Action"] == "s3:*"
        assert statement["Resource"] == [arn, f"{arn}/*"]
    assert len(document["Statement"]) == len(denied)


@control(AREA, "The bucket is encrypted")
def test_the_bucket_is_encrypted_by_s3s_own_keys(every: Synthesised) -> None:
    (rule,) = every.one("S3::Bucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


@control(AREA, "What is overwritten or deleted stays for a while", "S3.14")
def test_the_bucket_keeps_versions(every: Synthesised) -> None:
    assert every.one("S3::Bucket")["VersioningConfiguration"] == {"Status": "Enabled"}


@control(AREA, "Only old versions and broken uploads ever expire, never a live model", "S3.13")
def test_the_lifecycle_touches_no_live_object(every: Synthesised) -> None:
    (rule,) = every.one("S3::Bucket")["LifecycleConfiguration"]["Rules"]

    assert rule == {
        "Id": "old-versions",
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": every.stage.old_version_days},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }


@control(AREA, "Bucket and table stay when the stack goes, and block no second stack")
def test_bucket_and_table_are_kept_and_have_no_names_of_their_own(every: Synthesised) -> None:
    for kind, name in (("S3::Bucket", "BucketName"), ("DynamoDB::Table", "TableName")):
        (resource,) = every.raw(kind)
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resource["UpdateReplacePolicy"] == "Retain"
        assert name not in resource["Properties"]


@control(AREA, "The table costs by use, and can be restored to any second", "DynamoDB.2")
def test_the_table_is_on_demand_with_recovery_to_a_point_in_time(every: Synthesised) -> None:
    table = every.one("DynamoDB::Table")

    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@control(AREA, "Nobody deletes the table of a protected stage by mistake", "DynamoDB.6")
def test_the_table_of_prod_is_protected_from_deletion(dev: Synthesised, prod: Synthesised) -> None:
    assert prod.one("DynamoDB::Table")["DeletionProtectionEnabled"] is True
    assert dev.one("DynamoDB::Table")["DeletionProtectionEnabled"] is False


def test_nothing_expires_from_the_registry(every: Synthesised) -> None:
    table = every.one("DynamoDB::Table")

    assert "TimeToLiveSpecification" not in table
    assert table["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    assert table["AttributeDefinitions"] == [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
    ]
