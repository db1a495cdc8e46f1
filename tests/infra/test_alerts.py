"""The topic and the queue: encrypted, over TLS, and written by those who must."""

from typing import Any

from tests.infra.controls import control
from tests.infra.stacks import Synthesised

AREA = "Alerts"


def statements(stack: Synthesised, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.one(kind)["PolicyDocument"]["Statement"]
    return found


@control(AREA, "The queue is encrypted", "SQS.1")
def test_the_queue_is_encrypted(every: Synthesised) -> None:
    assert every.one("SQS::Queue")["SqsManagedSseEnabled"] is True


@control(AREA, "Queue and topic are reached over TLS, or not at all")
def test_queue_and_topic_refuse_whoever_comes_without_tls(every: Synthesised) -> None:
    for kind, actions in (("SQS::QueuePolicy", "sqs:*"), ("SNS::TopicPolicy", "sns:Publish")):
        (denied,) = [s for s in statements(every, kind) if s["Effect"] == "Deny"]
        assert denied["Action"] == actions
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert denied["Principal"] in ("*", {"AWS": "*"})


@control(
    AREA, "Alerts lie under a key that alarms may use, unless a stage goes without one", "SNS.1"
)
def test_the_topics_key_is_one_that_alarms_may_use(
    dev: Synthesised, prod: Synthesised, staging: Synthesised
) -> None:
    for stack in (dev, prod):
        key = stack.one("KMS::Key")
        allowed = [s for s in key["KeyPolicy"]["Statement"] if "Service" in s["Principal"]]

        assert stack.one("SNS::Topic")["KmsMasterKeyId"] == stack.arn("KMS::Key")
        assert key["EnableKeyRotation"] is True
        assert [s["Principal"]["Service"] for s in allowed] == ["cloudwatch.amazonaws.com"]
        assert set(allowed[0]["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"}
    # Amazon's own key for SNS admits no alarms: they would stay silent.
    assert "KmsMasterKeyId" not in staging.one("SNS::Topic")


@control(AREA, "This account's alarms may publish, and no service for anybody else")
def test_the_topic_admits_this_stages_alarms_alone(every: Synthesised) -> None:
    (allowed,) = [s for s in statements(every, "SNS::TopicPolicy") if s["Effect"] == "Allow"]
    account, region = every.template.account, every.template.region

    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Action"] == "sns:Publish"
    assert allowed["Condition"] == {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnLike": {
            "aws:SourceArn": f"arn:aws:cloudwatch:{region}:{account}:alarm:"
            f"{every.stage.stack_name}-*"
        },
    }
    for alarm in every.all("CloudWatch::Alarm").values():
        assert alarm["AlarmName"].startswith(f"{every.stage.stack_name}-")


@control(AREA, "This stack's rules may put events aside, and no service for anybody else")
def test_the_queue_admits_this_stacks_rules_alone(every: Synthesised) -> None:
    allowed = [s for s in statements(every, "SQS::QueuePolicy") if s["Effect"] == "Allow"]
    rules = {every.template.attribute(name, "Arn") for name in every.all("Events::Rule")}

    assert {s["Condition"]["ArnEquals"]["aws:SourceArn"] for s in allowed} == rules
    for statement in allowed:
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        assert statement["Action"] == "sqs:SendMessage"


@control(AREA, "What was put aside stays as long as SQS keeps it")
def test_the_queue_keeps_what_it_got_for_fourteen_days(every: Synthesised) -> None:
    assert every.one("SQS::Queue")["MessageRetentionPeriod"] == 14 * 24 * 3_600


def test_the_stages_people_are_asked_to_subscribe(dev: Synthesised, prod: Synthesised) -> None:
    subscription = prod.one("SNS::Subscription")

    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "team@example.com")
    assert dev.all("SNS::Subscription") == {}
