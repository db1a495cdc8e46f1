"""The small database of an empty account; where there is one, none is made."""

from tests.infra.controls import control
from tests.infra.stacks import Synthesised

AREA = "Own database"


@control(AREA, "It has no public address, and lives in the private subnets", "RDS.2")
def test_the_database_is_not_public(dev: Synthesised) -> None:
    instance = dev.one("RDS::DBInstance")
    group = dev.one("RDS::DBSubnetGroup")

    assert instance["PubliclyAccessible"] is False
    assert group["SubnetIds"] == dev.trigger["VpcConfig"]["SubnetIds"]
    assert instance["VPCSecurityGroups"] == [dev.group("The database")]


@control(AREA, "Its disk is encrypted", "RDS.3")
def test_the_databases_disk_is_encrypted(dev: Synthesised) -> None:
    assert dev.one("RDS::DBInstance")["StorageEncrypted"] is True


@control(AREA, "It takes tokens of IAM, and no connection without TLS", "RDS.10, RDS.39")
def test_the_database_takes_iam_tokens_and_tls_alone(dev: Synthesised) -> None:
    assert dev.one("RDS::DBInstance")["EnableIAMDatabaseAuthentication"] is True
    assert dev.one("RDS::DBParameterGroup")["Parameters"] == {"require_secure_transport": "1"}


@control(AREA, "Its master password is made and rotated by RDS, and stands in no template")
def test_rds_keeps_the_master_password(dev: Synthesised) -> None:
    instance = dev.one("RDS::DBInstance")

    assert instance["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in instance


@control(AREA, "It is backed up daily, and leaves a snapshot behind", "RDS.11")
def test_the_database_is_backed_up_and_leaves_a_snapshot(dev: Synthesised) -> None:
    (raw,) = dev.raw("RDS::DBInstance")

    assert raw["Properties"]["BackupRetentionPeriod"] == 7
    assert raw["DeletionPolicy"] == raw["UpdateReplacePolicy"] == "Snapshot"
    assert raw["Properties"]["CopyTagsToSnapshot"] is True


@control(AREA, "It gets security updates by itself", "RDS.13")
def test_the_database_updates_itself(dev: Synthesised) -> None:
    instance = dev.one("RDS::DBInstance")

    assert instance["AutoMinorVersionUpgrade"] is True
    assert instance["Engine"] == "mysql"
    assert instance["EngineVersion"].startswith("8.4.")


@control(AREA, "Its deletion is protected as the stage says", "RDS.8")
def test_the_database_is_protected_as_the_stage_says(dev: Synthesised) -> None:
    assert dev.one("RDS::DBInstance")["DeletionProtection"] is dev.stage.protected


def test_beside_an_existing_database_none_is_made(prod: Synthesised) -> None:
    assert prod.all("RDS::DBInstance") == {}
