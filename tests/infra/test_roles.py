"""Who may do what: every statement is written by hand, and none says "everything"."""

from typing import Any

from tests.infra.controls import control
from tests.infra.examples import API_SECRET, KEY, SECRET
from tests.infra.stacks import Synthesised

AREA = "Roles"
STARS = {
    ("execution", "ImageToken"): "a token for the registry as a whole",
    ("api execution", "ImageToken"): "a token for the registry as a whole",
    ("trigger", "Place"): "Lambda asks for it on all interfaces",
    ("trigger", "PlaceIsForLambdaAlone"): "a denial",
    ("healer", "Place"): "Lambda asks for it on all interfaces",
    ("healer", "PlaceIsForLambdaAlone"): "a denial",
    ("healer", "ServingList"): "its resource is a machine, and Fargate has none",
    ("healer", "ServingPort"): "a task definition is described by anybody who may, or by nobody",
    ("task", "ServingList"): "its resource is a machine, and Fargate has none",
    ("task", "ServingPort"): "a task definition is described by anybody who may, or by nobody",
}
"""The statements on every resource, each of whose actions knows none, or that deny."""


def account(stack: Synthesised) -> str:
    return f"{stack.template.region}:{stack.template.account}"


def cluster(stack: Synthesised) -> str:
    return stack.environment("trigger")["TRIGGER_CLUSTER"]


def tasks(stack: Synthesised) -> str:
    return f"{cluster(stack).replace(':cluster/', ':task/')}/*"


@control(AREA, "No managed policies: each role has the rights that stand beside it")
def test_no_role_has_a_managed_policy_or_one_that_is_attached_from_elsewhere(
    every: Synthesised,
) -> None:
    for role in every.roles().values():
        assert "ManagedPolicyArns" not in role
    assert every.all("IAM::Policy") == {}
    assert every.all("IAM::ManagedPolicy") == {}
    scheduler = {"scheduler"} if every.stage.scheduler == "scheduler" else set()
    api = {"api", "api execution"} if every.stage.api else set()
    functions = {"trigger", "watcher", "healer"}
    assert every.roles().keys() == {"task", "execution"} | functions | scheduler | api


@control(AREA, "No action is a wildcard, and no statement turns a list around", "IAM.21")
def test_every_action_is_named(every: Synthesised) -> None:
    for role in every.roles():
        for statement in every.statements(role):
            assert not [action for action in statement["Action"] if "*" in action]
            assert not {"NotAction", "NotResource"} & statement.keys()
            assert statement["Sid"]


@control(AREA, "Every resource is named, but for actions that have none")
def test_every_resource_is_named_but_where_the_action_has_none(every: Synthesised) -> None:
    stars = {
        (role, statement["Sid"])
        for role in every.roles()
        for statement in every.statements(role)
        if "*" in statement["Resource"]
    }

    assert stars == {star for star in STARS if star[0] in every.roles()}
    wanted = {
        "ImageToken": ["ecr:GetAuthorizationToken"],
        "ServingList": ["ecs:ListTasks"],
        "ServingPort": ["ecs:DescribeTaskDefinition"],
    }
    for role, sid in stars:
        actions = every.statement(role, sid)["Action"]
        assert actions == wanted.get(sid, actions)
        assert sid in wanted or all(action.startswith("ec2:") for action in actions)


@control(AREA, "A star within a name stands for ids that are made at run time, and nothing else")
def test_a_star_within_a_resource_is_a_file_of_the_store_a_task_or_a_log_stream(
    every: Synthesised,
) -> None:
    found = {
        (statement["Sid"], resource)
        for role in every.roles()
        for statement in every.statements(role)
        for resource in statement["Resource"]
        if "*" in resource and resource != "*"
    }

    models = {("StoreFiles", f"{every.arn('S3::Bucket')}/store/models/*")}
    assert found == {
        ("StoreFiles", f"{every.arn('S3::Bucket')}/store/*"),
        *(models if every.stage.api else ()),
        ("ServingTasks", tasks(every)),
        ("Tag", tasks(every)),
        ("StopHung", tasks(every)),
        *(
            ("Logs", f"arn:aws:logs:{account(every)}:log-group:{group['LogGroupName']}:*")
            for group in every.all("Logs::LogGroup").values()
        ),
    }


@control(AREA, "Lambda may place trigger and healer into the network; their own code may not")
def test_a_functions_code_may_not_touch_network_interfaces(every: Synthesised) -> None:
    for name in ("trigger", "healer"):
        allowed = every.statement(name, "Place")
        denied = every.statement(name, "PlaceIsForLambdaAlone")

        assert (allowed["Effect"], denied["Effect"]) == ("Allow", "Deny")
        assert denied["Action"] == allowed["Action"]
        itself = every.arn("Lambda::Function", FunctionName=every.functions[name]["FunctionName"])
        assert denied["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": itself}}


@control(AREA, "The trigger runs this revision on this cluster, and nothing else")
def test_run_task_is_bound_to_the_revision_and_the_cluster(every: Synthesised) -> None:
    launch = every.statement("trigger", "Launch")

    assert launch["Action"] == ["ecs:RunTask"]
    assert launch["Resource"] == [every.environment("trigger")["TRIGGER_TASK_DEFINITION"]]
    assert launch["Condition"] == {"ArnEquals": {"ecs:cluster": cluster(every)}}


@control(AREA, "It tags tasks as it starts them, and only then")
def test_tags_are_set_at_launch_alone(every: Synthesised) -> None:
    tag = every.statement("trigger", "Tag")

    assert tag["Action"] == ["ecs:TagResource"]
    assert tag["Condition"] == {"StringEquals": {"ecs:CreateAction": "RunTask"}}


@control(AREA, "It passes the task's two roles to ECS tasks, and no other role to anything")
def test_two_roles_are_passed_to_ecs_tasks_alone(every: Synthesised) -> None:
    passing = [
        (role, statement)
        for role in every.roles()
        for statement in every.statements(role)
        if "iam:PassRole" in statement["Action"]
    ]

    ((role, statement),) = passing
    assert role == "trigger"
    assert set(statement["Resource"]) == {
        every.task["TaskRoleArn"],
        every.task["ExecutionRoleArn"],
    }
    assert statement["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }


@control(AREA, "Trigger and watcher stop tasks of this cluster, and no others")
def test_tasks_are_stopped_on_this_cluster_alone(every: Synthesised) -> None:
    for role in ("trigger", "watcher"):
        stop = every.statement(role, "StopHung")
        assert (stop["Action"], stop["Resource"]) == (["ecs:StopTask"], [tasks(every)])
        assert stop["Condition"] == {"ArnEquals": {"ecs:cluster": cluster(every)}}


@control(AREA, "Trigger and task log in as the one user that may read, or read the one secret")
def test_logging_in_is_bound_to_the_user_or_the_secret(
    dev: Synthesised, prod: Synthesised, staging: Synthesised
) -> None:
    (instance,) = dev.all("RDS::DBInstance")
    own = dev.template.attribute(instance, "DbiResourceId")

    for role in ("trigger", "task"):
        for stack, resource_id in ((dev, own), (prod, "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ")):
            may = stack.statement(role, "LogIn")
            user = f"arn:aws:rds-db:{account(stack)}:dbuser:{resource_id}/retraining"
            assert (may["Action"], may["Resource"]) == (["rds-db:connect"], [user])
        may = staging.statement(role, "Password")
        assert (may["Action"], may["Resource"]) == (["secretsmanager:GetSecretValue"], [SECRET])


@control(AREA, "The API logs in as a user of its own, or reads the secrets that are meant for it")
def test_the_api_logs_in_as_its_own_user(dev: Synthesised, staging: Synthesised) -> None:
    (instance,) = dev.all("RDS::DBInstance")
    own = dev.template.attribute(instance, "DbiResourceId")
    user = f"arn:aws:rds-db:{account(dev)}:dbuser:{own}/hairme_api"

    assert dev.statement("api", "LogIn")["Resource"] == [user]
    for sid, secret in (("Password", API_SECRET), ("Key", KEY)):
        may = staging.statement("api", sid)
        assert (may["Action"], may["Resource"]) == (["secretsmanager:GetSecretValue"], [secret])


@control(AREA, "The API reads the models and the registry, and writes neither")
def test_the_api_only_reads_store_and_registry(dev: Synthesised, staging: Synthesised) -> None:
    for stack in (dev, staging):
        bucket = stack.arn("S3::Bucket")
        rights = {one["Sid"]: (one["Action"], one["Resource"]) for one in stack.statements("api")}
        assert rights["StoreFiles"] == (["s3:GetObject"], [f"{bucket}/store/models/*"])
        assert rights["StoreListing"] == (["s3:ListBucket"], [bucket])
        assert rights["Registry"][0] == ["dynamodb:GetItem", "dynamodb:Query"]


@control(AREA, "Task and healer tell the one service of a version, and look at this cluster alone")
def test_task_and_healer_update_the_one_service_on_its_cluster(every: Synthesised) -> None:
    name = every.stage.service_name
    service = f"{cluster(every).replace(':cluster/', ':service/')}/{name}"
    for role in ("task", "healer"):
        serving = every.statement(role, "Serving")
        assert serving["Action"] == ["ecs:DescribeServices", "ecs:UpdateService"]
        assert serving["Resource"] == [service]
        assert every.statement(role, "ServingTasks")["Action"] == ["ecs:DescribeTasks"]
        for sid in ("Serving", "ServingList", "ServingTasks"):
            assert every.statement(role, sid)["Condition"] == {
                "ArnEquals": {"ecs:cluster": cluster(every)}
            }


@control(AREA, "ECS may pull the image and write the log of each, and read no secret")
def test_the_execution_roles_pull_and_log_and_read_no_secret(every: Synthesised) -> None:
    here = f"{every.template.account}-{every.template.region}"
    repository = f"repository/cdk-hnb659fds-container-assets-{here}"
    for role in [name for name in every.roles() if name.endswith("execution")]:
        assert {one["Sid"] for one in every.statements(role)} == {"Image", "ImageToken", "Logs"}
        image = every.statement(role, "Image")
        assert image["Resource"] == [f"arn:aws:ecr:{account(every)}:{repository}"]
        of = "api" if role.startswith("api") else "task"
        (log,) = every.statement(role, "Logs")["Resource"]
        assert log.endswith(f"/{of}:*")


@control(
    AREA, "Only the watcher tells people, only the trigger launches, only healer and task deploy"
)
def test_each_role_has_its_own_rights_alone(every: Synthesised) -> None:
    def may(role: str) -> set[str]:
        return {one["Sid"] for one in every.statements(role)}

    log_in = {"Password"} if every.stage.name == "staging" else {"LogIn"}
    key = {"TellUnderKey"} if every.stage.alert_key else set()
    proving = {"Serving", "ServingList", "ServingPort", "ServingTasks"}
    of_function = {"Logs", "PutAside", "Registry"}
    placed = {"Place", "PlaceIsForLambdaAlone"}
    store = {"Registry", "StoreFiles", "StoreListing"}
    assert may("watcher") == of_function | {"StopHung", "Tell"} | key
    assert may("task") == store | log_in | proving
    assert may("healer") == of_function | placed | proving
    assert may("trigger") == of_function | placed | log_in | {
        *("Launch", "PassRoles", "StopHung", "Tag"),
    }
    if every.stage.api:
        shown = {"Key"} if every.stage.api.key_secret_arn else set()
        assert may("api") == store | log_in | shown


@control(AREA, "A service takes a role on behalf of this account alone, where it says for whom")
def test_no_service_can_be_talked_into_using_a_role_for_others(every: Synthesised) -> None:
    own = {"aws:SourceAccount": every.template.account}
    trusted = {name: trust(role) for name, role in every.roles().items()}

    group = f"arn:aws:scheduler:{account(every)}:schedule-group/{every.stage.stack_name}"
    here = {"ArnLike": {"aws:SourceArn": f"arn:aws:ecs:{account(every)}:*"}}
    to_run = ("ecs-tasks.amazonaws.com", {"StringEquals": own, **here})
    to_start = ("ecs-tasks.amazonaws.com", {"StringEquals": own})
    wanted: dict[str, tuple[str, dict[str, Any]]] = {
        **dict.fromkeys(("task", "api"), to_run),
        **dict.fromkeys(("execution", "api execution"), to_start),
        # Lambda says for no one, and takes no role for another account.
        **dict.fromkeys(("trigger", "watcher", "healer"), ("lambda.amazonaws.com", {})),
        "scheduler": (
            "scheduler.amazonaws.com",
            {"StringEquals": own, "ArnLike": {"aws:SourceArn": group}},
        ),
    }
    assert trusted == {name: wanted[name] for name in every.roles()}


def trust(role: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Who may take a role, and when."""
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")
    return statement["Principal"]["Service"], statement.get("Condition", {})


@control(AREA, "No policy of a resource admits everybody")
def test_no_resource_admits_everybody(every: Synthesised) -> None:
    for kind in ("S3::BucketPolicy", "SNS::TopicPolicy", "SQS::QueuePolicy"):
        for policy in every.all(kind).values():
            for statement in policy["PolicyDocument"]["Statement"]:
                if statement["Effect"] == "Allow":
                    assert statement["Principal"] not in ("*", {"AWS": "*"})
