"""The schema of a new database, made on a real server by the very file that is carried there."""

import ast
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from common.queries import ROW, vote_columns
from infra import database, schema
from infra.api import DATABASE_USER
from infra.pack_schema import main as pack_main
from infra.pack_schema import pack
from local.mariadb import HOST, Server, running
from tests.architecture.code import ROOT
from tests.unit.place import Answer, Place

PLUGIN = "IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'"
PASSWORD, ADMIN_PASSWORD = "of a throw-away server", "and of its administrator"
SQL = (ROOT / "infra" / "schema.sql").read_text()
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()


def for_mariadb(script: str) -> str:
    """The script for a server that has no tokens of IAM: the one difference to RDS."""
    assert script.count(PLUGIN) >= 1
    return script.replace(PLUGIN, f"IDENTIFIED BY '{PASSWORD}'")


@pytest.fixture(scope="module")
def rds() -> Iterator[Server]:
    """A server as RDS hands it over: an empty database, TLS for everybody, an admin."""
    with running() as server:
        server.execute(f"CREATE USER admin IDENTIFIED BY '{ADMIN_PASSWORD}' REQUIRE SSL")
        server.execute("GRANT ALL ON *.* TO admin WITH GRANT OPTION")
        yield server


@pytest.fixture
def empty(rds: Server) -> Server:
    rds.execute("DROP DATABASE IF EXISTS hairme")
    rds.execute("DROP USER IF EXISTS retraining, hairme_api")
    rds.execute("CREATE DATABASE hairme CHARACTER SET latin1")
    return rds


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed file, with the script for MariaDB in it."""
    folder = tmp_path_factory.mktemp("packed")
    original, carried = folder / "original.pyz", folder / "schema.pyz"
    pack(original)
    with zipfile.ZipFile(original) as source, zipfile.ZipFile(carried, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "infra/schema.sql":
                content = for_mariadb(content.decode()).encode()
            target.writestr(name, content)
    return carried


def run(file: Path, server: Server, *more: object) -> subprocess.CompletedProcess[str]:
    """Run it as in the shell: a Python that finds none of our packages but those packed."""
    folder = file.parent / "elsewhere"
    folder.mkdir(exist_ok=True)
    arguments = [HOST, "--port", server.port, *more]
    return subprocess.run(
        [sys.executable, "-I", "-S", str(file), *map(str, arguments)],
        cwd=folder,
        input=f"{ADMIN_PASSWORD}\n",
        capture_output=True,
        text=True,
        check=False,
    )


def examined(server: Server, folder: Path) -> Answer:
    """What the doctor says to the user that was made."""
    return Place(folder).task(
        "doctor",
        "--json",
        DATABASE_URL=server.url("hairme", "retraining"),
        DB_PASSWORD=PASSWORD,
        DB_CA=str(server.ca),
        RETRAIN_SEED="0",
    )


def answers(found: Answer) -> dict[str, str]:
    return {check["name"]: check["answer"] for check in found.result["checks"]}


def test_the_carried_file_makes_a_database_that_the_doctor_finds_whole(
    empty: Server, carried: Path, tmp_path: Path
) -> None:
    # When
    done = run(carried, empty, "--ca", empty.ca)

    # Then
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "6 statements: the table is there, and so are its users\n"
    found = examined(empty, tmp_path)
    assert set(answers(found).values()) == {"ok"}, found.out
    says = {check["name"]: check["says"] for check in found.result["checks"]}
    assert says["table"] == "analysis_history with 5 votes a row"
    assert says["rights"] == "may read only"
    assert says["index"] == "feedback_at is indexed"


def test_it_may_be_run_again_and_loses_no_vote(empty: Server, carried: Path) -> None:
    # Given
    run(carried, empty, "--ca", empty.ca)
    empty.execute("INSERT INTO hairme.analysis_history (style_1_feedback) VALUES ('like')")

    # When
    again = run(carried, empty, "--ca", empty.ca)

    # Then
    assert again.returncode == 0
    with empty.admin("hairme") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT user_id, style_1_feedback FROM analysis_history")
        assert cursor.fetchall() == (("anonymous", "like"),)


def test_the_table_takes_korean_names_whatever_the_database_was_made_for(
    empty: Server, carried: Path
) -> None:
    run(carried, empty, "--ca", empty.ca)
    empty.execute("INSERT INTO hairme.analysis_history (face_shape) VALUES (%s)", ["계란형"])

    with empty.admin("hairme") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT face_shape FROM analysis_history")
        assert cursor.fetchall() == (("계란형",),)


def test_the_loop_may_not_log_in_without_encryption(empty: Server, carried: Path) -> None:
    run(carried, empty, "--ca", empty.ca)
    pymysql.connect(host=HOST, port=empty.port, user="retraining", password=PASSWORD).close()

    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        pymysql.connect(
            host=HOST, port=empty.port, user="retraining", password=PASSWORD, ssl_disabled=True
        )


def test_the_api_records_and_takes_votes_and_deletes_nothing(empty: Server, carried: Path) -> None:
    run(carried, empty, "--ca", empty.ca)
    connection = pymysql.connect(
        host=HOST,
        port=empty.port,
        user=DATABASE_USER,
        password=PASSWORD,
        database="hairme",
        ssl={"ca": str(empty.ca)},
        autocommit=True,
    )

    with connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO analysis_history (face_shape) VALUES ('계란형')")
        cursor.execute("UPDATE analysis_history SET style_1_feedback = 'like'")
        assert cursor.execute("SELECT id FROM analysis_history") == 1
        for wrong in ("DELETE FROM analysis_history", "DROP TABLE analysis_history"):
            with pytest.raises(pymysql.OperationalError, match="denied"):
                cursor.execute(wrong)


@pytest.mark.parametrize("which", ["wrong_ca", None], ids=["another authority's", "Amazon's"])
def test_a_server_that_is_not_proved_is_told_no_password(
    empty: Server, carried: Path, which: str | None
) -> None:
    done = run(carried, empty, *(["--ca", getattr(empty, which)] if which else []))

    assert done.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
    assert "Traceback" not in done.stderr
    with empty.admin("hairme") as connection, connection.cursor() as cursor:
        assert cursor.execute("SHOW TABLES") == 0


def test_the_packed_file_holds_the_script_the_driver_and_the_authorities_of_rds(
    tmp_path: Path,
) -> None:
    target = tmp_path / "schema.pyz"

    assert pack_main([str(target)]) == 0

    with zipfile.ZipFile(target) as packed:
        assert packed.read("infra/schema.sql").decode() == SQL
        authorities = (ROOT / "common" / "rds-ca.pem").read_bytes()
        assert packed.read("common/rds-ca.pem") == authorities
        assert "pymysql/connections.py" in packed.namelist()


def test_a_forgotten_name_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert pack_main([]) == 2
    assert "FILE" in capsys.readouterr().err


def test_it_is_written_for_the_oldest_python_that_it_may_meet() -> None:
    text = (ROOT / "infra" / "schema.py").read_text()

    assert ast.parse(text, feature_version=(3, 9))
    with pytest.raises(SyntaxError):  # else the line above would prove nothing
        ast.parse("match 1:\n    case 1: pass", feature_version=(3, 9))
    newer = shutil.which("ruff", path=str(Path(sys.executable).parent))
    done = subprocess.run(
        [str(newer), "check", "--isolated", "--target-version=py39", "--select=F,E9", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_script_names_what_the_stack_and_the_reader_name() -> None:
    _, table, user, grant, api, written = schema.statements(SQL)

    assert SQL.count("USE hairme;") == 1
    assert database.SCHEMA == "hairme"
    assert f"'{database.USER}'@'%'" in user
    assert grant == f"GRANT SELECT ON hairme.analysis_history TO '{database.USER}'@'%'"
    assert f"'{DATABASE_USER}'@'%'" in api
    assert written == (
        f"GRANT SELECT, INSERT, UPDATE ON hairme.analysis_history TO '{DATABASE_USER}'@'%'"
    )
    columns = [line.split()[0] for line in table.splitlines()[1:] if line.startswith("  ")]
    assert set(ROW) <= set(columns)
    assert vote_columns(columns) == (1, 2, 3, 4, 5)


def sql_blocks() -> Iterator[str]:
    """The SQL of docs/deploy.md for a database that exists."""
    parts = DEPLOY.split("```sql\n")[1:]
    return (part.split("```")[0] for part in parts)


@pytest.mark.parametrize("secret", [False, True], ids=["token", "password"])
def test_the_sql_for_a_database_that_exists_makes_it_whole(
    empty: Server, tmp_path: Path, secret: bool
) -> None:
    # Given the application's table, with three votes and no index
    index, *users = sql_blocks()
    by_token, by_password = users[:2]
    api_by_token, api_by_password = users[2:]
    empty.execute("DROP DATABASE hairme")
    empty.create("hairme", votes=3, index=False)

    # When
    user, api = (by_password, api_by_password) if secret else (by_token, api_by_token)
    user, api = (
        each.replace("…", PASSWORD) if secret else for_mariadb(each) for each in (user, api)
    )
    assert PASSWORD in user
    assert PASSWORD in api
    with empty.admin("hairme") as connection:
        done = sum(schema.apply(connection, each) for each in (index, user, api))

    # Then
    assert done == 5
    assert api.splitlines()[-1] in SQL
    assert set(answers(examined(empty, tmp_path)).values()) == {"ok"}


def test_statements_end_with_their_lines_and_comments_are_none() -> None:
    script = "-- a; b\nSELECT ';'\n  FROM t;\n\n  -- c\nSELECT 2;\n"

    assert schema.statements(script) == ["SELECT ';'\n  FROM t", "SELECT 2"]
