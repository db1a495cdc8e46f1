"""Of the three sources of the database password, settings take one."""

import pytest

from common.errors import UsageError
from common.settings import Settings, load

SECRET = "hunter2"


def read(**environ: str) -> Settings:
    return load(yaml_path=None, env_file=None, environ=environ, flags={})


@pytest.mark.parametrize(
    ("environ", "got"),
    [
        ({"DB_PASSWORD": SECRET, "DB_SECRET_ARN": "arn"}, "DB_PASSWORD and DB_SECRET_ARN"),
        ({"DB_PASSWORD": SECRET, "DB_IAM_AUTH": "true"}, "DB_PASSWORD and DB_IAM_AUTH"),
        ({"DB_SECRET_ARN": "arn", "DB_IAM_AUTH": "true"}, "DB_SECRET_ARN and DB_IAM_AUTH"),
    ],
)
def test_two_sources_of_the_password_are_refused_without_showing_it(
    environ: dict[str, str], got: str
) -> None:
    with pytest.raises(UsageError, match=f"got {got}: remove all but the one") as refused:
        read(**environ)

    assert SECRET not in str(refused.value)


def test_an_iam_token_that_is_switched_off_is_no_second_source() -> None:
    settings = read(DB_PASSWORD=SECRET, DB_IAM_AUTH="false")

    assert (settings.db_password, settings.db_iam_auth) == (SECRET, False)
