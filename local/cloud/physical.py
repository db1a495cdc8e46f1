"""What CloudFormation calls each resource once it exists: names, what `Ref` says, attributes.

One row for each type that the stack uses. A text is filled in with the resource's own values:
{name}, {id} (hex digits that follow from the logical id), {region}, {account}, {partition}, and
the values that a row's own needs name. A type or an attribute without a row is an error in
`template.py`: a guessed ARN would let a wrong permission look right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How one type of resource is called."""

    named_by: str | None = None
    """The property that gives the name; without a value the name follows from the logical id."""
    name: str = "{derived}"
    """The name when the template gives none."""
    ref: str = "{name}"
    attributes: Mapping[str, str] = field(default_factory=dict)


def _arn(service: str, rest: str) -> str:
    return f"arn:{{partition}}:{service}:{{region}}:{{account}}:{rest}"


_CLUSTER = _arn("ecs", "cluster/{name}")
_DATABASE = "{name}.abcdefghijkl.{region}.rds.amazonaws.com"
_ELB = "elasticloadbalancing"
_FUNCTION = _arn("lambda", "function:{name}")
_LOGS = _arn("logs", "log-group:{name}:*")
_QUEUE = _arn("sqs", "{name}")
_ROLE = "arn:{partition}:iam::{account}:role{Path}{name}"
_SERVICE = _arn("ecs", "service/{Cluster}/{name}")
_TABLE = _arn("dynamodb", "table/{name}")
_TASK = _arn("ecs", "task-definition/{name}:1")
_TOPIC = _arn("sns", "{name}")

KINDS: Mapping[str, Kind] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": Kind(
        ref="{ResourceId}|{ScalableDimension}|{ServiceNamespace}"
    ),
    "AWS::CloudWatch::Alarm": Kind(
        named_by="AlarmName", attributes={"Arn": _arn("cloudwatch", "alarm:{name}")}
    ),
    "AWS::CloudWatch::Dashboard": Kind(named_by="DashboardName"),
    "AWS::DynamoDB::GlobalTable": Kind(named_by="TableName", attributes={"Arn": _TABLE}),
    "AWS::DynamoDB::Table": Kind(named_by="TableName", attributes={"Arn": _TABLE}),
    "AWS::EC2::InternetGateway": Kind(name="igw-{id}", attributes={"InternetGatewayId": "{name}"}),
    "AWS::EC2::EIP": Kind(
        name="eip-{id}", ref="192.0.2.1", attributes={"AllocationId": "eipalloc-{id}"}
    ),
    "AWS::EC2::NatGateway": Kind(name="nat-{id}", attributes={"NatGatewayId": "{name}"}),
    "AWS::EC2::RouteTable": Kind(name="rtb-{id}", attributes={"RouteTableId": "{name}"}),
    "AWS::EC2::SecurityGroup": Kind(
        name="sg-{id}", attributes={"GroupId": "{name}", "VpcId": "{VpcId}"}
    ),
    "AWS::EC2::Subnet": Kind(
        name="subnet-{id}",
        attributes={"SubnetId": "{name}", "AvailabilityZone": "{AvailabilityZone}"},
    ),
    "AWS::EC2::VPC": Kind(
        name="vpc-{id}",
        attributes={
            "VpcId": "{name}",
            "CidrBlock": "{CidrBlock}",
            "DefaultSecurityGroup": "sg-{id}",
            "DefaultNetworkAcl": "acl-{id}",
        },
    ),
    "AWS::EC2::VPCEndpoint": Kind(name="vpce-{id}"),
    "AWS::ECS::Cluster": Kind(named_by="ClusterName", attributes={"Arn": _CLUSTER}),
    "AWS::ECS::Service": Kind(
        named_by="ServiceName",
        ref=_SERVICE,
        attributes={"Name": "{name}", "ServiceArn": _SERVICE},
    ),
    "AWS::ECS::TaskDefinition": Kind(
        named_by="Family", ref=_TASK, attributes={"TaskDefinitionArn": _TASK}
    ),
    "AWS::ElasticLoadBalancingV2::Listener": Kind(
        ref=_arn(_ELB, "listener/app/{name}/{id}/{id}"),
        attributes={"ListenerArn": _arn(_ELB, "listener/app/{name}/{id}/{id}")},
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Kind(
        named_by="Name",
        ref=_arn(_ELB, "loadbalancer/app/{name}/{id}"),
        attributes={
            "CanonicalHostedZoneID": "Z35SXDOTRQ7X7K",
            "DNSName": "internal-{name}-{id}.{region}.elb.amazonaws.com",
            "LoadBalancerArn": _arn(_ELB, "loadbalancer/app/{name}/{id}"),
            "LoadBalancerFullName": "app/{name}/{id}",
            "LoadBalancerName": "{name}",
        },
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Kind(
        named_by="Name",
        ref=_arn(_ELB, "targetgroup/{name}/{id}"),
        attributes={
            "TargetGroupArn": _arn(_ELB, "targetgroup/{name}/{id}"),
            "TargetGroupFullName": "targetgroup/{name}/{id}",
            "TargetGroupName": "{name}",
        },
    ),
    "AWS::Events::Rule": Kind(named_by="Name", attributes={"Arn": _arn("events", "rule/{name}")}),
    "AWS::IAM::Role": Kind(named_by="RoleName", attributes={"Arn": _ROLE, "RoleId": "AROA{ID}"}),
    "AWS::KMS::Key": Kind(
        name="{id}", attributes={"Arn": _arn("kms", "key/{name}"), "KeyId": "{name}"}
    ),
    "AWS::Lambda::Function": Kind(named_by="FunctionName", attributes={"Arn": _FUNCTION}),
    "AWS::Lambda::Version": Kind(ref="{FunctionName}:1", attributes={"Version": "1"}),
    "AWS::Logs::LogGroup": Kind(named_by="LogGroupName", attributes={"Arn": _LOGS}),
    "AWS::RDS::DBInstance": Kind(
        named_by="DBInstanceIdentifier",
        attributes={
            "DBInstanceArn": _arn("rds", "db:{name}"),
            "DbiResourceId": "db-{ID}",
            "Endpoint.Address": _DATABASE,
            "Endpoint.Port": "{Port}",
            "MasterUserSecret.SecretArn": _arn("secretsmanager", "secret:rds!db-{id}-AbCdEf"),
        },
    ),
    "AWS::RDS::DBParameterGroup": Kind(named_by="DBParameterGroupName"),
    "AWS::RDS::DBSubnetGroup": Kind(named_by="DBSubnetGroupName"),
    "AWS::S3::Bucket": Kind(
        named_by="BucketName",
        attributes={
            "Arn": "arn:{partition}:s3:::{name}",
            "DomainName": "{name}.s3.amazonaws.com",
            "RegionalDomainName": "{name}.s3.{region}.amazonaws.com",
        },
    ),
    "AWS::SNS::Topic": Kind(
        named_by="TopicName", ref=_TOPIC, attributes={"TopicArn": _TOPIC, "TopicName": "{name}"}
    ),
    "AWS::SQS::Queue": Kind(
        named_by="QueueName",
        ref="https://sqs.{region}.amazonaws.com/{account}/{name}",
        attributes={
            "Arn": _QUEUE,
            "QueueName": "{name}",
            "QueueUrl": "https://sqs.{region}.amazonaws.com/{account}/{name}",
        },
    ),
    "AWS::Scheduler::Schedule": Kind(
        named_by="Name", attributes={"Arn": _arn("scheduler", "schedule/{GroupName}/{name}")}
    ),
    "AWS::Scheduler::ScheduleGroup": Kind(
        named_by="Name", attributes={"Arn": _arn("scheduler", "schedule-group/{name}")}
    ),
    "AWS::SecretsManager::Secret": Kind(
        named_by="Name", ref=_arn("secretsmanager", "secret:{name}-AbCdEf")
    ),
    "AWS::SecretsManager::SecretTargetAttachment": Kind(ref="{SecretId}"),
}

LOWER_CASE = frozenset({"AWS::S3::Bucket", "AWS::RDS::DBInstance", "AWS::RDS::DBSubnetGroup"})
"""Types whose names have no capitals."""

DEFAULTS: Mapping[str, str] = {
    "Path": "/",
    "Port": "3306",
    "Cluster": "default",
    "GroupName": "default",
}
"""What CloudFormation takes for a property that a text above needs and the template leaves out."""
