"""A template is read as if it had been deployed: names, ARNs, conditions, and no guesses."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.errors import UsageError
from local.cloud.template import Template


def template(resources: dict[str, Any], /, **parts: Any) -> Template:
    given = {name: parts.pop(name) for name in ("parameters", "attributes") if name in parts}
    return Template(document={"Resources": resources, **parts}, **given)


BUCKET = {"Type": "AWS::S3::Bucket"}
SUBNET = {"Type": "AWS::EC2::Subnet"}


def of(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


@pytest.mark.parametrize(
    ("kind", "properties", "ref"),
    [
        # Ref answers the name for some types, the ARN, the address or an id for others.
        ("AWS::S3::Bucket", {"BucketName": "models"}, "models"),
        ("AWS::S3::Bucket", {}, "hairmeretraining-thing"),
        ("AWS::DynamoDB::Table", {}, "HairmeRetraining-Thing"),
        ("AWS::SNS::Topic", {}, "arn:aws:sns:us-east-1:123456789012:HairmeRetraining-Thing"),
        (
            "AWS::SQS::Queue",
            {"QueueName": "dead"},
            "https://sqs.us-east-1.amazonaws.com/123456789012/dead",
        ),
        ("AWS::Lambda::Function", {}, "HairmeRetraining-Thing"),
        ("AWS::ECS::Cluster", {"ClusterName": "own"}, "own"),
        (
            "AWS::ECS::TaskDefinition",
            {"Family": "retrain"},
            "arn:aws:ecs:us-east-1:123456789012:task-definition/retrain:1",
        ),
        (
            "AWS::ECS::Service",
            {"ServiceName": "api", "Cluster": "arn:aws:ecs:us-east-1:1:cluster/shop"},
            "arn:aws:ecs:us-east-1:123456789012:service/shop/api",
        ),
        (
            "AWS::SecretsManager::Secret",
            {"Name": "db"},
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf",
        ),
        ("AWS::Logs::LogGroup", {"LogGroupName": "/aws/lambda/x"}, "/aws/lambda/x"),
        ("AWS::IAM::Role", {}, "HairmeRetraining-Thing"),
    ],
)
def test_ref_answers_what_cloudformation_does(
    kind: str, properties: dict[str, Any], ref: str
) -> None:
    stack = template({"Thing0123ABCD": of(kind, **properties)})
    assert stack.resolve({"Ref": "Thing0123ABCD"}) == ref


@pytest.mark.parametrize(
    ("kind", "properties", "attribute", "value"),
    [
        ("AWS::S3::Bucket", {"BucketName": "models"}, "Arn", "arn:aws:s3:::models"),
        (
            "AWS::DynamoDB::Table",
            {"TableName": "runs"},
            "Arn",
            "arn:aws:dynamodb:us-east-1:123456789012:table/runs",
        ),
        (
            "AWS::IAM::Role",
            {"Path": "/r/"},
            "Arn",
            "arn:aws:iam::123456789012:role/r/HairmeRetraining-Thing",
        ),
        (
            "AWS::Logs::LogGroup",
            {"LogGroupName": "task"},
            "Arn",
            "arn:aws:logs:us-east-1:123456789012:log-group:task:*",
        ),
        ("AWS::ECS::Service", {"ServiceName": "api"}, "Name", "api"),
        ("AWS::RDS::DBInstance", {"DBInstanceIdentifier": "votes"}, "Endpoint.Port", "3306"),
        (
            "AWS::RDS::DBInstance",
            {"DBInstanceIdentifier": "votes"},
            "Endpoint.Address",
            "votes.abcdefghijkl.us-east-1.rds.amazonaws.com",
        ),
    ],
)
def test_an_attribute_is_what_cloudformation_answers(
    kind: str, properties: dict[str, Any], attribute: str, value: str
) -> None:
    stack = template({"Thing": of(kind, **properties)})
    assert stack.resolve({"Fn::GetAtt": ["Thing", attribute]}) == value
    assert stack.resolve({"Fn::GetAtt": f"Thing.{attribute}"}) == value


def test_a_database_resource_id_is_stable_and_its_own() -> None:
    instance = of("AWS::RDS::DBInstance")
    stack = template({"One": instance, "Other": instance})
    one, other = (stack.attribute(name, "DbiResourceId") for name in ("One", "Other"))
    assert one.startswith("db-")
    assert one != other
    assert template({"One": instance}).attribute("One", "DbiResourceId") == one


def test_an_attribute_that_is_given_wins() -> None:
    stack = template(
        {"Database": of("AWS::RDS::DBInstance")},
        attributes={"Database.Endpoint.Address": "127.0.0.1"},
    )
    url = {"Fn::Join": ["", ["mysql://", {"Fn::GetAtt": ["Database", "Endpoint.Address"]}]]}
    assert stack.resolve(url) == "mysql://127.0.0.1"


def test_two_resources_never_share_a_name() -> None:
    """Given two logical ids that differ in their hash only, When named, Then both keep it."""
    stack = template({"Thing00000000": BUCKET, "Thing11111111": BUCKET})
    assert stack.physical("Thing00000000") == "hairmeretraining-thing00000000"
    assert stack.physical("Thing11111111") == "hairmeretraining-thing11111111"


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Fn::Sub": "arn:${AWS::Partition}:s3:::${Bucket}/*"}, "arn:aws:s3:::b/*"),
        ({"Fn::Sub": "${Bucket.Arn} ${!Literal}"}, "arn:aws:s3:::b ${Literal}"),
        ({"Fn::Sub": ["${A}-${AWS::AccountId}", {"A": {"Ref": "Bucket"}}]}, "b-123456789012"),
        ({"Fn::Join": ["/", ["a", {"Ref": "AWS::Region"}]]}, "a/us-east-1"),
        ({"Fn::Select": ["1", {"Fn::Split": [",", "x,y"]}]}, "y"),
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "us-east-1a"),
        ({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "k"]}, "v"),
        ({"Ref": "Given"}, "given"),
        ({"Ref": "Defaulted"}, ["a", "b"]),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [{"Ref": "AWS::NoValue"}, 1]}, {"b": [1]}),
        ({"Fn::If": ["Yes", 1, 2]}, 1),
        ({"Fn::If": ["No", 1, 2]}, 2),
        ("{{resolve:ssm:/x}}", "{{resolve:ssm:/x}}"),
    ],
)
def test_intrinsics_resolve(value: object, resolved: object) -> None:
    stack = template(
        {"Bucket": of("AWS::S3::Bucket", BucketName="b")},
        parameters={"Given": "given"},
        Parameters={
            "Given": {"Type": "String"},
            "Defaulted": {"Type": "CommaDelimitedList", "Default": "a,b"},
        },
        Mappings={"M": {"us-east-1": {"k": "v"}}},
        Conditions={
            "Yes": {"Fn::Equals": [{"Ref": "Given"}, "given"]},
            "No": {"Fn::And": [{"Condition": "Yes"}, {"Fn::Not": [{"Condition": "Yes"}]}]},
        },
    )
    assert stack.resolve(value) == resolved


def test_a_resource_whose_condition_fails_does_not_exist() -> None:
    stack = template(
        {"There": BUCKET, "Gone": {**BUCKET, "Condition": "Never"}},
        Conditions={"Never": {"Fn::Equals": ["a", "b"]}},
    )
    assert list(stack.of_type("AWS::S3::Bucket")) == ["There"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"Fn::ImportValue": "x"}, "Fn::ImportValue"),
        ({"Fn::GetAtt": ["Bucket", "Colour"]}, "'Colour'"),
        ({"Fn::GetAtt": ["Nobody", "Arn"]}, "'Nobody'"),
        ({"Ref": "Nobody"}, "'Nobody'"),
        ({"Ref": "Odd"}, "AWS::Odd::Thing"),
        ({"Ref": "Undefined"}, "'Undefined'"),
        ({"Fn::If": ["Nowhere", 1, 2]}, "'Nowhere'"),
        ({"Fn::If": [{"Fn::Maybe": []}, 1, 2]}, "Fn::Maybe"),
        ({"Fn::FindInMap": ["M", "x", "y"]}, "'M'"),
    ],
)
def test_what_is_not_understood_is_an_error_with_its_name(value: object, says: str) -> None:
    stack = template(
        {"Bucket": BUCKET, "Odd": of("AWS::Odd::Thing")},
        Parameters={"Undefined": {"Type": "String"}},
    )
    with pytest.raises(UsageError, match=says):
        stack.resolve(value)


def test_a_template_is_loaded_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"Resources": {"B": BUCKET}}))
    stack = Template.load(path, stack="Own")
    assert stack.physical("B") == "own-b"
    path.write_text("not JSON")
    with pytest.raises(UsageError, match="readable JSON"):
        Template.load(path)
