"""The guards of the way to the database: verified TLS, passwords read at run time, counts."""

from tests.guards.mutant import Mutant

MUTANTS = (
    Mutant(
        name="database-host-name-unchecked",
        guards="architecture: a server that is not on this machine is verified, its name too",
        file="common/mysql_login.py",
        old="    context.verify_flags &= ~ssl.VERIFY_X509_STRICT\n",
        new=(
            "    context.verify_flags &= ~ssl.VERIFY_X509_STRICT\n"
            "    context.check_hostname = False\n"
        ),
        tests=(
            "tests/integration/test_database_mysql.py::test_a_certificate_for_another_host_is_refused",
        ),
    ),
    Mutant(
        name="database-certificate-unchecked",
        guards="aws trap 7: a CA alone verifies nothing",
        file="common/mysql_login.py",
        old="    context.verify_flags &= ~ssl.VERIFY_X509_STRICT\n",
        new="    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE\n",
        tests=("tests/integration/test_database_mysql.py::test_another_authority_is_refused",),
    ),
    Mutant(
        name="remote-database-without-ca",
        guards="architecture: a MySQL host that is not loopback needs a CA",
        file="common/database.py",
        old="if ca is None and not _is_loopback(address.host):",
        new="if ca is None and not address.host:",
        tests=("tests/unit/test_database.py",),
    ),
    Mutant(
        name="token-without-ca-on-loopback",
        guards="aws: an IAM token travels inside verified TLS alone",
        file="common/database.py",
        old="if ca is None and credential.needs_tls:",
        new="if ca is None and credential.needs_tls and not _is_loopback(address.host):",
        tests=(
            "tests/integration/test_database_login.py::test_a_token_needs_a_ca_even_on_this_machine",
        ),
    ),
    Mutant(
        name="token-over-unverified-tls",
        guards="aws: the server is proved before it is sent a token",
        file="common/mysql_login.py",
        old="    ssl=tls,\n",
        new="        ssl=None,\n",
        tests=(
            "tests/integration/test_database_login.py::test_a_server_that_offers_no_tls_never_gets_the_token",
            "tests/integration/test_database_login.py::test_a_server_that_is_not_proved_to_be_the_one_never_gets_the_token",
        ),
    ),
    Mutant(
        name="password-in-clear",
        guards="aws: no server gets the password itself over a connection that is not verified",
        file="common/mysql_login.py",
        old="{} if tls else dict.fromkeys(CLEAR_PLUGINS, _NeverInClear)",
        new="{}",
        tests=(
            "tests/integration/test_database_login.py::test_no_server_gets_a_password_in_clear_over_a_connection_that_is_not_verified",
        ),
    ),
    Mutant(
        name="rotated-secret-not-read-again",
        guards="aws: a secret is read again once on error 1045",
        file="common/mysql_login.py",
        old="if exc.args[0] != ACCESS_DENIED or not credential.renewable:",
        new="if exc.args[0]:",
        tests=(
            "tests/integration/test_database_login.py::test_a_secret_is_read_again_when_it_is_rotated_before_the_log_in",
        ),
    ),
    Mutant(
        name="plain-password-tried-twice",
        guards="aws: only what can have changed is tried again",
        file="common/mysql_login.py",
        old="if exc.args[0] != ACCESS_DENIED or not credential.renewable:",
        new="if exc.args[0] != ACCESS_DENIED:",
        tests=("tests/integration/test_database_login.py::test_a_plain_password_is_tried_once",),
    ),
    Mutant(
        name="any-refusal-tried-again",
        guards="aws: read again on 1045 and on nothing else",
        file="common/mysql_login.py",
        old="if exc.args[0] != ACCESS_DENIED or not credential.renewable:",
        new="if not credential.renewable:",
        tests=(
            "tests/integration/test_database_login.py::test_another_error_than_a_refused_password_is_not_tried_again",
        ),
    ),
    Mutant(
        name="two-passwords-accepted",
        guards="aws: one source of the database's password",
        file="common/settings.py",
        old="    if len(given) > 1:",
        new="    if len(given) > 2:",
        tests=("tests/unit/test_settings_credentials.py",),
    ),
    Mutant(
        name="secret-logged-by-botocore",
        guards="no secret in a log, at whatever level",
        file="common/aws.py",
        old='logging.getLogger("botocore").setLevel(logging.WARNING)',
        new='logging.getLogger("botocore").setLevel(logging.DEBUG)',
        tests=("tests/unit/test_credentials.py::test_at_the_lowest_level_aws_logs_no_secret",),
    ),
    Mutant(
        name="read-secret-not-hidden",
        guards="no secret in a log, also one that is read at run time",
        file="common/credentials.py",
        old="        logs.hide(login.password)\n",
        new="",
        tests=(
            "tests/unit/test_credentials.py::test_what_was_read_is_hidden_from_every_log_from_then_on",
        ),
    ),
    Mutant(
        name="token-not-hidden",
        guards="no secret in a log, also one that is signed for each connection",
        file="common/logs.py",
        old='        text = _SIGNED.sub(rf"\\1{HIDDEN}", text)\n',
        new="",
        tests=(
            "tests/unit/test_credentials.py::test_a_token_is_hidden_however_it_is_quoted_and_leaves_nothing_behind",
        ),
    ),
    Mutant(
        name="secrets-user-ignored",
        guards="aws: a rotation may alternate between two users",
        file="common/credentials.py",
        old='found.get("username") or user',
        new="user",
        tests=(
            "tests/integration/test_database_login.py::test_a_rotation_may_alternate_between_two_users",
        ),
    ),
    Mutant(
        name="secret-sought-at-home",
        guards="aws: a secret is read in the region of its ARN",
        file="common/credentials.py",
        old='aws.client("secretsmanager", region)',
        new='aws.client("secretsmanager")',
        tests=(
            "tests/unit/test_credentials.py::test_a_secret_is_read_in_its_own_region_in_every_form",
        ),
    ),
    Mutant(
        name="unknown-spellings-uncounted",
        guards='fault 9: votes that nobody can read never look like "no votes"',
        file="common/votes_table.py",
        old="return VoteCounts(total=total, new=new, unknown=cells - new)",
        new="return VoteCounts(total=total, new=new)",
        tests=(
            "tests/integration/test_database_mysql.py::test_unknown_spellings_are_counted_where_the_new_votes_are",
        ),
    ),
)
