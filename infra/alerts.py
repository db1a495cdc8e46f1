"""Where people are told, and where goes what could not be delivered."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.rights import allow, arn, service
from infra.stage import Stage

ALARMS = "cloudwatch.amazonaws.com"


class Alerts(Construct):
    """The topic of all alerts, and the queue of undelivered events and failed invocations."""

    def __init__(self, scope: Construct, stage: Stage) -> None:
        super().__init__(scope, "Alerts")
        alarms = service(
            self, ALARMS, source=arn(self, "cloudwatch", f"alarm:{stage.stack_name}-*")
        )
        self.key = self._key(alarms) if stage.alert_key else None
        self.topic = sns.Topic(
            self,
            "Topic",
            topic_name=f"{stage.stack_name}-alerts",
            display_name=f"HairMe retraining {stage.name}",
            master_key=self.key,
            enforce_ssl=True,
        )
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                principals=[alarms],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
            )
        )
        for email in stage.alert_emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
        self.undelivered = sqs.Queue(
            self,
            "Undelivered",
            queue_name=f"{stage.stack_name}-undelivered",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )

    def publishing(self) -> list[iam.PolicyStatement]:
        """What it takes to tell people."""
        rights = [allow("Tell", ["sns:Publish"], [self.topic.topic_arn])]
        if self.key is not None:
            actions = ["kms:Decrypt", "kms:GenerateDataKey"]
            rights.append(allow("TellUnderKey", actions, [self.key.key_arn]))
        return rights

    def failing(self) -> iam.PolicyStatement:
        """What Lambda needs to put aside an event that its function could not handle."""
        return allow("PutAside", ["sqs:SendMessage"], [self.undelivered.queue_arn])

    def _key(self, alarms: iam.IPrincipal) -> kms.Key:
        key = kms.Key(
            self,
            "Key",
            description="Alerts of the retraining loop at rest",
            enable_key_rotation=True,
            # It holds messages under way, and nothing that is kept.
            removal_policy=RemovalPolicy.DESTROY,
            pending_window=Duration.days(7),
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                principals=[alarms],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
            )
        )
        return key
