"""The guards of the stack: what AWS is asked for, and what it may not be."""

from tests.guards.mutant import Mutant

NETWORK = "tests/infra/test_network.py"
TASK = "tests/infra/test_task.py"
FUNCTIONS = "tests/infra/test_functions.py"
STORAGE = "tests/infra/test_storage.py"
ALERTS = "tests/infra/test_alerts.py"
ALARMS = "tests/infra/test_alarms.py"
SCHEDULE = "tests/infra/test_schedule.py"
ROLES = "tests/infra/test_roles.py"
STACK = "tests/infra/test_stack.py"
SETTINGS = "tests/infra/test_settings.py"
ENVIRONMENT = "tests/infra/test_environment.py"

# Each synthesis takes seconds: the tests of a file share one, and the run without a change too.
MUTANTS = (
    Mutant(
        name="task-with-a-public-address",
        guards="ECS.2: the task gets no public address",
        file="lambda/retrain_trigger/launch.py",
        old='"assignPublicIp": "DISABLED"',
        new='"assignPublicIp": "ENABLED"',
        tests=(NETWORK,),
    ),
    Mutant(
        name="public-subnet",
        guards="no way to or from the internet unless asked for",
        file="infra/network.py",
        old="else ec2.SubnetType.PRIVATE_ISOLATED",
        new="else ec2.SubnetType.PUBLIC",
        tests=(NETWORK,),
    ),
    Mutant(
        name="groups-let-everything-out",
        guards="trigger and task reach AWS and the database alone",
        file="infra/network.py",
        old="vpc=self.vpc, description=says, allow_all_outbound=False",
        new="vpc=self.vpc, description=says, allow_all_outbound=True",
        tests=(NETWORK,),
    ),
    Mutant(
        name="imported-group-stays-closed",
        guards="trap 10: the imported database's group gets its two rules",
        file="infra/database.py",
        old='scope, "DatabaseGroup", database.security_group_id\n',
        new='scope, "DatabaseGroup", database.security_group_id, mutable=False\n',
        tests=(NETWORK,),
    ),
    Mutant(
        name="endpoint-forgotten",
        guards="every service that the code calls is reachable",
        file="infra/network.py",
        old='        "Ecs": ec2.InterfaceVpcEndpointAwsService.ECS,\n',
        new="",
        tests=(NETWORK,),
    ),
    Mutant(
        name="task-as-root",
        guards="ECS.20: the task runs as the image's own user",
        file="infra/training.py",
        old='USER = "10001:10001"',
        new='USER = "0:0"',
        tests=(TASK,),
    ),
    Mutant(
        name="root-file-system-writable",
        guards="ECS.5: the root file system is read-only",
        file="infra/training.py",
        old="readonly_root_filesystem=True",
        new="readonly_root_filesystem=False",
        tests=(TASK,),
    ),
    Mutant(
        name="revision-in-the-images-hash",
        guards="the same files give the same hashes, whatever the revision",
        file="infra/training.py",
        old="DockerImageAssetInvalidationOptions(build_args=False)",
        new="DockerImageAssetInvalidationOptions(build_args=True)",
        tests=(STACK,),
    ),
    Mutant(
        name="setting-without-a-variable",
        guards="the template's variables are the fields of the classes that read them",
        file="infra/environment.py",
        old="if name not in ADDRESSES and (",
        new='if name not in ADDRESSES | {"seed"} and (',
        tests=(ENVIRONMENT,),
    ),
    Mutant(
        name="secret-in-the-environment",
        guards="no secret stands in the template",
        file="infra/database.py",
        old='"DB_CA": "rds", **log_in}',
        new='"DB_CA": "rds", "DB_PASSWORD": "hairme", **log_in}',
        tests=(TASK,),
    ),
    Mutant(
        name="no-place-for-failures",
        guards="what the function cannot handle is put aside",
        file="infra/functions.py",
        old="        destination_config=lambda_.CfnEventInvokeConfig."
        "DestinationConfigProperty(on_failure=aside),\n",
        new="",
        tests=(FUNCTIONS,),
    ),
    Mutant(
        name="bucket-without-versions",
        guards="S3.14: what is overwritten stays for a while",
        file="infra/storage.py",
        old="versioned=True",
        new="versioned=False",
        tests=(STORAGE,),
    ),
    Mutant(
        name="live-models-expire",
        guards="the lifecycle touches old versions alone",
        file="infra/storage.py",
        old="noncurrent_version_expiration=Duration.days(stage.old_version_days)",
        new="expiration=Duration.days(stage.old_version_days)",
        tests=(STORAGE,),
    ),
    Mutant(
        name="registry-goes-with-the-stack",
        guards="bucket and table stay when the stack goes",
        file="infra/storage.py",
        old="            deletion_protection=stage.protected,\n"
        "            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,",
        new="            deletion_protection=stage.protected,\n"
        "            removal_policy=RemovalPolicy.DESTROY,",
        tests=(STORAGE,),
    ),
    Mutant(
        name="alarm-without-an-action",
        guards="CloudWatch.15: every alarm tells people",
        file="infra/alarms.py",
        old="            alarm.add_alarm_action(tell)\n",
        new='            if figure.name != "silent":\n'
        "                alarm.add_alarm_action(tell)\n",
        tests=(ALARMS,),
    ),
    Mutant(
        name="silence-is-golden",
        guards="the dead-man alarm: nobody looked is as bad as no success",
        file="infra/alarms.py",
        old="        silence_is_wrong=True,\n",
        new="",
        tests=(ALARMS,),
    ),
    Mutant(
        name="alarm-on-a-figure-of-nobody",
        guards="alarms watch what the functions emit",
        file="infra/alarms.py",
        old="dimensions_map={metrics.DIMENSION: stage.name}",
        new='dimensions_map={"Environment": stage.name}',
        tests=(ALARMS,),
    ),
    Mutant(
        name="topic-open-to-all-alarms",
        guards="this account's alarms may publish, and no service for anybody else",
        file="infra/rights.py",
        old='        conditions["StringEquals"] = {"aws:SourceAccount": Stack.of(scope).account}',
        new="        pass",
        tests=(ALERTS,),
    ),
    Mutant(
        name="monday-instead-of-sunday",
        guards="the loop runs on Sunday at two, to the letter",
        file="common/settings.py",
        old='"cron(0 2 ? * SUN *)"',
        new='"cron(0 2 ? * MON *)"',
        tests=(SCHEDULE,),
    ),
    Mutant(
        name="watcher-hears-all-tasks",
        guards="the watcher hears of the loop's own tasks alone",
        file="infra/watcher.py",
        old='                    "group": [f"family:{training.family}"],\n',
        new="",
        tests=(SCHEDULE,),
    ),
    Mutant(
        name="run-any-revision",
        guards="trap 6: RunTask is bound to the revision",
        file="infra/trigger.py",
        old='allow("Launch", ["ecs:RunTask"], [training.definition_arn], training.here)',
        new='allow("Launch", ["ecs:RunTask"], ["*"], training.here)',
        tests=(ROLES,),
    ),
    Mutant(
        name="pass-roles-to-anything",
        guards="two roles are passed to ECS tasks alone",
        file="infra/trigger.py",
        old='allow("PassRoles", ["iam:PassRole"], roles, to_tasks)',
        new='allow("PassRoles", ["iam:PassRole"], roles)',
        tests=(ROLES,),
    ),
    Mutant(
        name="wildcard-action",
        guards="no action is a wildcard",
        file="infra/alerts.py",
        old='allow("Tell", ["sns:Publish"], [self.topic.topic_arn])',
        new='allow("Tell", ["sns:*"], [self.topic.topic_arn])',
        tests=(ROLES,),
    ),
    Mutant(
        name="rules-not-asked",
        guards="AWS's own rules stop synthesis",
        file="infra/acknowledged.py",
        old="        rule = Acknowledgment(id=kept.finding, reason=kept.why)\n"
        "        Validations.of(construct)",
        new="        rule = Acknowledgment(id=kept.finding, reason=kept.why)\n"
        "        Validations.of(stack)",
        tests=(STACK,),
    ),
    Mutant(
        name="snapshot-not-renewed",
        guards="the committed template is what is synthesised",
        file="infra/functions.py",
        old="MEGABYTES = 512",
        new="MEGABYTES = 1_024",
        tests=(STACK,),
    ),
    Mutant(
        name="network-of-any-name",
        guards="an id of the wrong form stops before synthesis",
        file="infra/place.py",
        old='for name in ("account", "region", "vpc_id", "cluster_name"):',
        new='for name in ("account", "region", "cluster_name"):',
        tests=(SETTINGS,),
    ),
    Mutant(
        name="statement-outlives-the-trigger",
        guards="a slow database is told of, and not cut off",
        file="infra/trigger.py",
        old="LONGEST_STATEMENT_SECONDS = 270",
        new="LONGEST_STATEMENT_SECONDS = 840",
        tests=("tests/infra/test_functions.py",),
    ),
)
