"""The stack as a whole: its size, its tags, its snapshot, and what AWS's own rules say of it."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from infra.acknowledged import NAG, findings
from infra.snapshot import PATH, context, normalised
from tests.architecture.code import ROOT
from tests.infra.controls import PAGE, control, page
from tests.infra.examples import VARIANTS
from tests.infra.stacks import Synthesised

AREA = "Stack"
OWN = {
    "AWS::EC2::VPC": 1,
    "AWS::EC2::Subnet": 2,
    "AWS::EC2::RouteTable": 2,
    "AWS::EC2::SubnetRouteTableAssociation": 2,
    "AWS::EC2::VPCEndpoint": 6,
    "AWS::RDS::DBInstance": 1,
    "AWS::RDS::DBParameterGroup": 1,
    "AWS::RDS::DBSubnetGroup": 1,
    "AWS::ECS::Cluster": 1,
}
"""What an empty account gets beside the loop itself."""
API = {
    "AWS::ApplicationAutoScaling::ScalableTarget": 1,
    "AWS::ApplicationAutoScaling::ScalingPolicy": 2,
    "AWS::CloudWatch::Alarm": 5,
    "AWS::ECS::Service": 1,
    "AWS::ECS::TaskDefinition": 1,
    "AWS::ElasticLoadBalancingV2::Listener": 1,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": 1,
    "AWS::ElasticLoadBalancingV2::TargetGroup": 1,
    "AWS::IAM::Role": 2,
    "AWS::Logs::LogGroup": 1,
    "AWS::Logs::MetricFilter": 3,
}
"""What an API of the stack's own is."""
LOOP = {
    "AWS::CloudWatch::Alarm": 9,
    "AWS::CloudWatch::Dashboard": 1,
    "AWS::DynamoDB::Table": 1,
    "AWS::ECS::TaskDefinition": 1,
    "AWS::Events::Rule": 6,
    "AWS::IAM::Role": 5,
    "AWS::KMS::Key": 1,
    "AWS::Lambda::EventInvokeConfig": 3,
    "AWS::Lambda::Function": 3,
    "AWS::Lambda::Permission": 6,
    "AWS::Logs::LogGroup": 4,
    "AWS::S3::Bucket": 1,
    "AWS::S3::BucketPolicy": 1,
    "AWS::SNS::Topic": 1,
    "AWS::SNS::TopicPolicy": 1,
    "AWS::SQS::Queue": 1,
    "AWS::SQS::QueuePolicy": 1,
}
TOOLS = Path(sys.executable).parent


def kinds(stack: Synthesised) -> Counter[str]:
    """Type → how many; groups and their rules are looked at with the network."""
    found = (r["Type"] for r in stack.template.document["Resources"].values())
    return Counter(kind for kind in found if not kind.startswith("AWS::EC2::SecurityGroup"))


def test_an_empty_account_gets_the_loop_and_what_it_needs_to_live(dev: Synthesised) -> None:
    assert kinds(dev) == Counter(OWN) + Counter(LOOP) + Counter(API)


def test_beside_what_exists_there_is_the_loop_alone(prod: Synthesised) -> None:
    assert kinds(prod) == Counter(LOOP | {"AWS::SNS::Subscription": 1})


@control(AREA, "Everything that takes tags says which project and stage it is of")
def test_everything_is_tagged(every: Synthesised) -> None:
    wanted = {("Project", "hairme-retraining"), ("Stage", every.stage.name)}
    tagged = 0
    taking = (
        *("Function", "Bucket", "Table", "TaskDefinition", "Topic", "Queue", "Role"),
        *("Service", "LoadBalancer", "TargetGroup"),
    )
    for kind in taking:
        for resource in every.template.document["Resources"].values():
            if resource["Type"].endswith(f"::{kind}"):
                tags = {(tag["Key"], tag["Value"]) for tag in resource["Properties"]["Tags"]}
                assert wanted <= tags
                tagged += 1
    assert tagged >= 11


@control(AREA, "A protected stage is not removed by mistake")
def test_prod_is_protected_from_removal_and_dev_is_not(assembly: Path) -> None:
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]

    assert artifacts["HairmeRetraining-prod"]["properties"]["terminationProtection"] is True
    assert not artifacts["HairmeRetraining-dev"]["properties"].get("terminationProtection")


@control(AREA, "A stage with ids goes into the account that they belong to, and into no other")
def test_a_stage_beside_what_exists_is_bound_to_its_account(assembly: Path) -> None:
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]

    assert artifacts["HairmeRetraining-prod"]["environment"] == "aws://123456789012/us-east-1"
    assert artifacts["HairmeRetraining-dev"]["environment"] == (
        "aws://unknown-account/unknown-region"
    )


@control(AREA, "The committed template is what is synthesised")
def test_the_committed_template_equals_synthesis(dev: Synthesised) -> None:
    assert PATH.read_text(encoding="utf-8") == normalised(dev.template.document), (
        "the stack changed: look at what changed with `make snapshot` and git diff"
    )


@control(AREA, "The same files give the same template and the same hashes, whatever the revision")
def test_plain_synthesis_makes_the_same_template_and_hashes_again(
    dev: Synthesised, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.app"],
        cwd=ROOT,
        env={
            "CDK_CONTEXT_JSON": json.dumps(context()),
            "CDK_OUTDIR": str(tmp_path),
            "CODE_REVISION": "another",
            "HOME": str(Path.home()),
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONHASHSEED": "7",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'lambda'}",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2_000:]
    again = Synthesised.read(tmp_path, "dev")
    assert again.template.document == dev.template.document
    # This one made the bundle too, under the hash that the template names.
    bundle = tmp_path / f"asset.{again.trigger['Code']['S3Key'].removesuffix('.zip')}"
    inside = {path.name for path in bundle.iterdir() if path.suffix != ".dist-info"}
    assert inside == {"common", "pymysql", "retrain_trigger"}


@control(AREA, "AWS's own rules stop synthesis at whatever has no reason", "cdk-nag 3")
def test_a_finding_without_a_reason_stops_synthesis_and_is_named(
    refused: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = refused
    report = json.loads((folder / "validation-report.json").read_text())

    violated = [v["ruleName"] for p in report["pluginReports"] for v in p["violations"]]

    assert done.returncode != 0
    assert violated == ["AwsSolutions-SQS3"]
    assert "AwsSolutions-SQS3" in done.stderr


@control(AREA, "Each finding that is kept has its reason, and is there")
def test_every_reason_is_for_a_finding_that_is_there(every: Synthesised) -> None:
    name = every.stage.stack_name
    kept = {
        (found["acknowledgedAt"], found["acknowledgedId"]): found["reason"]
        for plugin in every.report["pluginReports"]
        for found in plugin.get("suppressedViolations", [])
        if found["acknowledgedAt"].startswith(f"{name}/")
    }

    given = {
        (f"{name}/{one.at}", one.finding): one.why
        for one in findings(every.stage)
        # What the CDK only warns of stands in no report; `assembly` sees that nothing is warned of.
        if one.finding.startswith(NAG)
    }

    assert kept == given
    assert all(len(why.split()) > 5 for why in given.values())


def test_the_rules_found_nothing_else(every: Synthesised) -> None:
    conclusions = {
        plugin["pluginName"]: plugin["conclusion"] for plugin in every.report["pluginReports"]
    }

    assert "AwsSolutions" in conclusions
    assert set(conclusions.values()) == {"success"}
    assert not [found for plugin in every.report["pluginReports"] for found in plugin["violations"]]


@control(AREA, "CloudFormation's linter finds nothing", "cfn-lint")
def test_the_linter_finds_nothing(assembly: Path) -> None:
    templates = sorted(assembly.glob("*.template.json"))

    # W3005: the CDK says what depends on what also where a reference says it already.
    done = subprocess.run(
        [TOOLS / "cfn-lint", "--ignore-checks", "W3005", "--", *templates],
        capture_output=True,
        text=True,
        check=False,
    )

    assert len(templates) == 3
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_people_need_next_is_said_at_the_end(every: Synthesised) -> None:
    said = {name.removesuffix("Is") for name in every.template.document["Outputs"]}
    always = {
        *("Trigger", "Store", "Registry", "Alerts", "Undelivered", "Cluster"),
        *("TaskDefinition", "Subnets", "TaskSecurityGroup"),
    }

    own = {"DatabaseHost", "DatabaseMasterSecret"} if every.stage.standalone else set()
    api = {"Api"} if every.stage.api else set()
    assert said == always | own | api


def test_the_deployed_template_is_the_one_that_was_looked_at() -> None:
    options = json.loads((ROOT / "cdk.json").read_text())

    assert options["app"] == "make --silent synth-app"
    for name in ("pathMetadata", "assetMetadata", "versionReporting", "notices"):
        assert options[name] is False
    assert options["context"]["@aws-cdk/core:validateAgainstDefaultRules"] is True


def test_the_command_line_is_pinned_and_its_lock_names_no_registry() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    wanted = json.loads((ROOT / "package.json").read_text())["devDependencies"]

    assert wanted == {"aws-cdk": "2.1148.1"}
    for path, package in lock["packages"].items():
        assert "resolved" not in package
        assert not path or package["version"] == wanted[path.removeprefix("node_modules/")]


def test_the_page_of_controls_is_written_from_the_tests() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_variant_is_another_stack_or_another_choice() -> None:
    assert {make().name for make in VARIANTS.values()} == {"dev", "prod", "staging"}
