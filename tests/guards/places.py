"""The guards of the places on AWS: the store in S3, the registry in DynamoDB."""

from tests.guards.mutant import Mutant

MUTANTS = (
    Mutant(
        name="condition-on-writes-only",
        guards=("promise 1: what was only read (hold, lease) holds when the promotion is written"),
        file="common/registry/dynamodb.py",
        old="for key in self._seen]",
        new="for key in self.writes]",
        tests=(
            "tests/contract/test_dynamodb_faults.py::test_a_hold_set_between_reading_and_writing_stops_the_promotion",
        ),
    ),
    Mutant(
        name="update-lost",
        guards="promise 1: of two that change one record at once neither is lost",
        file="common/registry/dynamodb.py",
        old='"stamp = :stamp"',
        new='"stamp <> :stamp OR stamp = :stamp"',
        tests=(
            "tests/contract/test_dynamodb_faults.py::test_two_who_note_something_on_one_run_lose_neither",
        ),
    ),
    Mutant(
        name="absence-not-a-condition",
        guards="promise 1: of two first launches one takes the lease",
        file="common/registry/dynamodb.py",
        old='"attribute_not_exists(pk)"',
        new='"attribute_not_exists(pk) OR attribute_exists(pk)"',
        tests=(
            "tests/contract/test_dynamodb_faults.py::test_a_launch_that_another_overtook_sees_the_others_lease",
        ),
    ),
    Mutant(
        name="lost-answer-is-a-failure",
        guards="promise 2: a promotion whose answer was lost is made once and known to be",
        file="common/registry/dynamodb.py",
        old="if self._landed():",
        new="if self._landed() and _is_passing(error):",
        tests=(
            "tests/contract/test_dynamodb_faults.py::test_a_promotion_whose_answer_never_comes_is_made_once_and_known_to_be",
        ),
    ),
    Mutant(
        name="own-write-taken-for-anothers",
        guards="promise 2: a repeated request does not take its own writing for another's",
        file="common/registry/dynamodb.py",
        old="if self._landed():",
        new="if not _is_passing(error) and self._landed():",
        tests=("tests/contract/test_dynamodb_faults.py::test_a_fault_that_passes_is_not_noticed",),
    ),
    Mutant(
        name="stale-read",
        guards="promise 1: nobody acts on a read that may be out of date",
        file="common/registry/dynamodb.py",
        old="Key=_key(key), ConsistentRead=True)",
        new="Key=_key(key), ConsistentRead=False)",
        tests=(
            "tests/contract/test_dynamodb_faults.py::test_nothing_is_judged_by_what_may_be_out_of_date",
        ),
    ),
    Mutant(
        name="first-page-only",
        guards="promise 8: the history is all of it",
        file="common/registry/dynamodb.py",
        old='for page in pages for item in page["Items"]',
        new='for page in [next(iter(pages))] for item in page["Items"]',
        tests=(
            "tests/contract/test_dynamodb_registry.py::test_all_runs_and_changes_are_read_however_many_pages_they_fill",
        ),
    ),
    Mutant(
        name="gives-up-on-conflict",
        guards="promise 1: a change that met another is made again on what is there now",
        file="common/registry/dynamodb.py",
        old='    "TransactionConflict",\n',
        new="",
        tests=(
            "tests/contract/test_dynamodb_faults.py::test_a_transaction_that_was_cancelled_for_a_passing_reason_is_made_anew",
        ),
    ),
    Mutant(
        name="created-twice",
        guards="promise 2: a manifest is created once",
        file="common/store/s3.py",
        old='                IfNoneMatch="*",\n',
        new="",
        tests=("tests/contract/test_store_contract.py::test_an_object_is_created_once",),
    ),
    Mutant(
        name="altered-object-accepted",
        guards="promise 2: what is read is what was put",
        file="common/store/s3.py",
        old="self._digest not in (None, self._sha.hexdigest())",
        new="False",
        tests=(
            "tests/contract/test_s3_store.py::test_an_object_that_was_altered_since_it_was_put_is_refused",
        ),
    ),
    Mutant(
        name="bucket-missing-is-empty",
        guards="fault 9: an outage is never an empty store",
        file="common/store/s3.py",
        old="except self._client.exceptions.NoSuchKey as error:",
        new="except ClientError as error:",
        tests=(
            "tests/contract/test_s3_store.py::test_a_bucket_that_is_not_there_is_an_error_and_not_an_empty_store",
        ),
    ),
    Mutant(
        name="broken-download-not-retried",
        guards="promise 8: a connection that broke is not the object's fault",
        file="common/store/s3.py",
        old="DOWNLOADS = 3",
        new="DOWNLOADS = 1",
        tests=("tests/contract/test_s3_store.py::test_a_download_that_was_cut_is_begun_anew",),
    ),
    Mutant(
        name="notes-overwritten",
        guards="promise 8: which task a run had and that people were told stays on record",
        file="common/registry/rules.py",
        old="        task_arn=run.task_arn or known.task_arn,\n",
        new="",
        tests=(
            "tests/contract/test_registry_tasks.py::test_a_task_that_was_noted_after_the_claim_outlives_the_tasks_own_older_record",
        ),
    ),
    Mutant(
        name="stranger-closes-run",
        guards="promise 1: a second task's end does not close the run of the first",
        file="common/registry/rules.py",
        old="    return run.owner == f\"{run.run_id}/{task_arn.rpartition('/')[2]}\"",
        new="    return run.owner != task_arn",
        tests=(
            "tests/contract/test_registry_tasks.py::test_the_end_of_a_task_that_does_not_own_the_run_closes_nothing",
        ),
    ),
    Mutant(
        name="takers-lease-freed",
        guards="promise 1: closing a dead run never frees another's lease",
        file="common/registry/runs.py",
        old="if lease is not None and rules.is_lease_of(run, lease):",
        new="if lease is not None:",
        tests=(
            "tests/contract/test_registry_tasks.py::test_a_run_whose_lease_was_taken_over_does_not_free_the_takers",
        ),
    ),
    Mutant(
        name="closed-run-keeps-lease",
        guards="issue: after a task died the lease is free",
        file="common/registry/runs.py",
        old="if lease is not None and rules.is_lease_of(run, lease):",
        new="if lease is None:",
        tests=(
            "tests/contract/test_registry_tasks.py::test_a_run_whose_task_is_gone_is_closed_and_its_lease_is_free",
        ),
    ),
    Mutant(
        name="skip-over-a-run",
        guards="promise 1: a duplicate event does not overwrite the run",
        file="common/registry/runs.py",
        old="rules.refuse_if_known(items.get(Run, run_key(run.run_id)))",
        new="items.get(Run, run_key(run.run_id))",
        tests=(
            "tests/contract/test_registry_tasks.py::test_a_run_that_is_on_record_is_not_recorded_as_skipped",
        ),
    ),
    Mutant(
        name="told-twice",
        guards="issue: one message per run",
        file="common/registry/runs.py",
        old="if run.alerted_at is not None or",
        new="if run.alerted_at == now or",
        tests=("tests/contract/test_registry_tasks.py::test_people_are_told_of_a_run_once",),
    ),
    Mutant(
        name="end-of-a-healed-run-untold",
        guards="promise 8: people hear how a roll-out ended, also if it was healed at that moment",
        file="common/registry/runs.py",
        old=" or run.state != told.state:",
        new=":",
        tests=("tests/contract/test_registry_tasks.py", "tests/unit/test_trigger_watch.py"),
    ),
    Mutant(
        name="promotion-taken-for-a-failure",
        guards="promise 8: a promotion that was made is never on record as failed",
        file="common/registry/rules.py",
        old="    if known is not None and known.serial is not None and run.serial is None:",
        new="    if known is None:",
        tests=(
            "tests/contract/test_registry_tasks.py::test_a_promotion_that_its_run_took_for_a_failure_stays_on_record",
        ),
    ),
    Mutant(
        name="other-task-on-record",
        guards="promise 1: of two tasks for a run the one that owns it is on record, to be stopped",
        file="common/registry/rules.py",
        old="    if run.task_arn is not None and not _owns(run, task_arn):",
        new="    if run.task_arn is not None:",
        tests=(
            "tests/contract/test_registry_tasks.py::test_of_two_tasks_for_one_run_the_one_that_owns_it_is_on_record",
        ),
    ),
    Mutant(
        name="looks-once-for-its-own-write",
        guards="promise 8: a promotion is known to be made though looking fails for a while",
        file="common/registry/dynamodb.py",
        old="        for _ in attempts(self._patience_seconds):\n            try:",
        new="        for _ in [0]:\n            try:",
        tests=(
            "tests/contract/test_dynamodb_faults.py::test_a_promotion_is_known_to_be_made_though_even_looking_fails_for_a_while",
        ),
    ),
)
