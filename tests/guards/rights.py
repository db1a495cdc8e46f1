"""The guards of the permissions, and of what proves them."""

from tests.guards.mutant import Mutant

PROOF = ("tests/permissions/test_permissions.py",)

MUTANTS = (
    Mutant(
        name="needed-right-missing",
        guards="control: every call of the functions and the task is allowed",
        file="infra/storage.py",
        old='("GetItem", "Query", "PutItem", "ConditionCheckItem")',
        new='("GetItem", "Query", "PutItem")',
        tests=PROOF,
    ),
    Mutant(
        name="idle-right-given",
        guards="control: no right is given that no call and no platform row needs",
        file="infra/storage.py",
        old='("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload")',
        new='("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload", "PutObjectAcl")',
        tests=PROOF,
    ),
    Mutant(
        name="listing-bound-to-the-prefix",
        guards="fault 9: a file that is not there is no outage",
        file="infra/storage.py",
        old="                [self.bucket.bucket_arn],\n            ),",
        new="                [self.bucket.bucket_arn],\n"
        '                {"StringLike": {"s3:prefix": f"{PREFIX}/*"}},\n            ),',
        tests=PROOF,
    ),
    Mutant(
        name="tags-without-the-right",
        guards="control: a task that is started with tags is one that may be tagged",
        file="infra/trigger.py",
        old='        allow("Tag", ["ecs:TagResource"], [training.tasks_arn], at_launch),\n',
        new="",
        tests=PROOF,
    ),
    Mutant(
        name="function-places-interfaces",
        guards="control: what Lambda may do for a function, the function itself may not",
        file="infra/functions.py",
        old="effect=iam.Effect.DENY",
        new="effect=iam.Effect.ALLOW",
        tests=PROOF,
    ),
    Mutant(
        name="denial-loses",
        guards="the proof: an explicit deny wins",
        file="tests/permissions/iam.py",
        old="all(statement.allow for statement in applying)",
        new="any(statement.allow for statement in applying)",
        tests=("tests/permissions/test_iam.py",),
    ),
    Mutant(
        name="refused-need-excuses-a-right",
        guards="the proof: a right is needed only if without it something else is denied",
        file="tests/permissions/proof.py",
        old="        if not permitted(need, own, guard):\n            continue\n",
        new="",
        tests=("tests/permissions/test_proof.py",),
    ),
    Mutant(
        name="conditions-in-different-elements",
        guards="events: conditions below one array hold in the same element, as in EventBridge",
        file="local/cloud/pattern.py",
        old="any(all(fields) for fields in answers)",
        new="all(any(each) for each in zip(*answers, strict=True))",
        tests=("tests/permissions/test_pattern.py",),
    ),
    Mutant(
        name="unknown-type-guessed",
        guards="the proof: a name that is not known is never guessed",
        file="local/cloud/template.py",
        old="        kind = KINDS.get(self.type_of(logical_id))\n",
        new="        kind = KINDS.get(self.type_of(logical_id), Kind())\n",
        tests=("tests/permissions/test_template.py",),
    ),
)
