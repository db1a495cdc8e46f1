"""A stack of the smallest kind, for tests of the emulation itself.

Its task and its function are a few lines of Python each, so nothing here depends on the loop.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FUNCTION = '''
import json, os, sys, time
from pathlib import Path

seen = []


def handle(event, context):
    """Do what the event says."""
    seen.append(1)
    if "fail" in event:
        attempts = Path(event["fail"])
        with attempts.open("a") as file:
            file.write(context.aws_request_id + "\\n")
        raise ValueError("as told")
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "call" in event:
        import boto3
        boto3.client("s3").list_objects_v2(Bucket="small-bucket")
    if "exit" in event:
        os._exit(7)
    return {
        "event": event,
        "request": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "left": context.get_remaining_time_in_millis(),
        "invocations": len(seen),
        "environment": dict(os.environ),
        "path": sys.path,
    }
'''
TASK = """
import json, os, signal, sys, time
print(json.dumps([sys.argv, dict(os.environ)]), flush=True)
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("ready", "w").close()
if "wait" in sys.argv:
    time.sleep(100)
sys.exit(int(sys.argv[-1]) if sys.argv[-1].isdigit() else 0)
"""
STUB = Path(__file__).with_name("stub_api.py")
ROLE = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}}


def document() -> dict[str, Any]:
    """The template."""
    return {
        "Resources": {
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "small-bucket"}},
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "TableName": "small-table",
                    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                },
            },
            "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "small"}},
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "small-topic"}},
            "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "small-dead"}},
            "FunctionRole": {"Type": "AWS::IAM::Role", "Properties": ROLE},
            "TaskRole": {"Type": "AWS::IAM::Role", "Properties": ROLE},
            "Function": _function(),
            "Invoked": {
                "Type": "AWS::Lambda::EventInvokeConfig",
                "Properties": {
                    "FunctionName": {"Ref": "Function"},
                    "Qualifier": "$LATEST",
                    "DestinationConfig": {
                        "OnFailure": {"Destination": {"Fn::GetAtt": ["Dead", "Arn"]}}
                    },
                },
            },
            "Definition": _definition(),
            "ApiRole": {"Type": "AWS::IAM::Role", "Properties": ROLE},
            "ApiDefinition": api_definition(),
            "Targets": {
                "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
                "Properties": {"HealthCheckPath": "/ready"},
            },
            "Api": _service(),
            "Weekly": _rule(ScheduleExpression="cron(0 2 ? * SUN *)"),
            "Daily": _rule(ScheduleExpression="rate(1 day)", Input='{"check": "daily"}'),
            "Nightly": {
                "Type": "AWS::Scheduler::Schedule",
                "Properties": {
                    "ScheduleExpression": "cron(0 3 * * ? *)",
                    "Target": {
                        "Arn": {"Fn::GetAtt": ["Function", "Arn"]},
                        "Input": '{"time": "<aws.scheduler.scheduled-time>"}',
                    },
                },
            },
            "Stopped": _rule(
                EventPattern={"source": ["aws.ecs"], "detail": {"lastStatus": ["STOPPED"]}}
            ),
            "Deployed": _rule(EventPattern={"detail-type": ["ECS Deployment State Change"]}),
        }
    }


def _function() -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": "small-function",
            "Handler": "small_function.handle",
            "Role": {"Fn::GetAtt": ["FunctionRole", "Arn"]},
            "Timeout": 2,
            "ReservedConcurrentExecutions": 1,
            "Environment": {"Variables": {"DATABASE_URL": "mysql://u@rds/d", "GREETING": "hello"}},
        },
    }


def _definition() -> dict[str, Any]:
    container = {
        "Name": "task",
        "Image": "registry/image:tag",
        "EntryPoint": ["/opt/venv/bin/python", "-c", TASK],
        "Command": ["run"],
        "Environment": [
            {"Name": "DATABASE_URL", "Value": "mysql://u@rds/d"},
            {"Name": "WORK_DIR", "Value": "/tmp/work"},
        ],
        "StopTimeout": 120,
    }
    return {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {
            "Family": "small",
            "NetworkMode": "awsvpc",
            "RequiresCompatibilities": ["FARGATE"],
            "Cpu": "256",
            "Memory": "512",
            "TaskRoleArn": {"Fn::GetAtt": ["TaskRole", "Arn"]},
            "ExecutionRoleArn": {"Fn::GetAtt": ["TaskRole", "Arn"]},
            "ContainerDefinitions": [container],
        },
    }


def api_definition() -> dict[str, Any]:
    """A service's task definition, whose program is `stub_api.py`."""
    container = {
        "Name": "api",
        "Image": "registry/api:tag",
        "EntryPoint": ["/opt/venv/bin/python", str(STUB)],
        "Command": ["--host", "0.0.0.0", "--port", "8080"],
        "PortMappings": [{"ContainerPort": 8080}],
        "Environment": [{"Name": "SERVICE_URL", "Value": "http://balancer"}],
    }
    return {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {
            "Family": "small-api",
            "NetworkMode": "awsvpc",
            "RequiresCompatibilities": ["FARGATE"],
            "Cpu": "256",
            "Memory": "512",
            "TaskRoleArn": {"Fn::GetAtt": ["ApiRole", "Arn"]},
            "ExecutionRoleArn": {"Fn::GetAtt": ["ApiRole", "Arn"]},
            "ContainerDefinitions": [container],
        },
    }


def _service() -> dict[str, Any]:
    target = {"ContainerName": "api", "ContainerPort": 8080, "TargetGroupArn": {"Ref": "Targets"}}
    return {
        "Type": "AWS::ECS::Service",
        "Properties": {
            "ServiceName": "api",
            "Cluster": {"Ref": "Cluster"},
            "TaskDefinition": {"Ref": "ApiDefinition"},
            "DesiredCount": 2,
            "DeploymentConfiguration": {
                "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
            },
            "LoadBalancers": [target],
        },
    }


def _rule(Input: str | None = None, **properties: Any) -> dict[str, Any]:
    target = {"Id": "Target0", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}
    if Input is not None:
        target["Input"] = Input
    return {"Type": "AWS::Events::Rule", "Properties": properties | {"Targets": [target]}}


def write(folder: Path) -> tuple[Path, Path]:
    """The template's file and the folder of the bundle."""
    template, bundle = folder / "template.json", folder / "bundle"
    template.write_text(json.dumps(document()), "utf-8")
    bundle.mkdir()
    (bundle / "small_function.py").write_text(FUNCTION, "utf-8")
    return template, bundle
