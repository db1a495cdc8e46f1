"""Neither secrets nor people can be read in what a run leaves behind, however it ended."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.home import Done, Home
from tests.e2e.rows import plain, write

PASSWORD = "p@ss/wörd%41 &'\"\\ 비밀"
USER, PHOTO = "mina.kim@example.test", "c0ffee" * 10 + "beef"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Votes of somebody with a name, and some that cannot be read."""
    home = Home(tmp_path / "home")
    home.folder.mkdir()
    write(home, (plain(i, user_id=f"{USER}-{i}", image_hash=f"{PHOTO}{i}") for i in range(200)))
    broken = f'[{{"style_name": "{USER}'
    write(home, [plain(i, user_id=USER, recommended_styles=broken) for i in range(9)])
    write(home, [plain(i, image_hash=PHOTO, style_1_feedback=PHOTO) for i in range(9)])
    return home


def left_behind(home: Home, done: Done, secret: str) -> list[str]:
    """Where it can be read, the votes themselves left out."""
    return [name for name in home.traces(secret, done) if name != str(home.votes)]


def test_no_file_log_or_output_of_a_run_holds_a_user_or_a_photo(home: Home) -> None:
    done = home.run("--log-level", "DEBUG")
    by_hand = home.task("export", "--full", "--log-level", "DEBUG")

    assert (done.exit, by_hand.exit) == (0, 0), done
    assert done.result["counts"]["rejected_by_reason"] == {"malformed_json": 9, "unknown_vote": 9}
    for secret in (USER, PHOTO):
        assert str(home.votes) in home.traces(secret, done)  # the search does find it
        assert left_behind(home, done, secret) == []
        assert left_behind(home, by_hand, secret) == []
    log = (home.folder / "logs" / f"{done.result['run_id']}.jsonl").read_text("utf-8")
    stages = re.findall(r"(\w+) took", log)
    assert stages == ["export", "prepare", "train", "evaluate", "publish"]


@pytest.mark.parametrize(
    "address, code",
    [
        (None, 0),
        ("mysql://reader@127.0.0.1:1/hairme", 1),
        ("postgres://reader@127.0.0.1/hairme", 2),
        ("mysql://reader:PASSWORD@127.0.0.1:1/hairme", 2),
        ("mysql://reader@127.0.0.1:1/hairme?password=PASSWORD", 2),
    ],
)
def test_the_password_is_in_no_file_log_or_output(
    home: Home, address: str | None, code: int
) -> None:
    where = {"DATABASE_URL": address.replace("PASSWORD", PASSWORD)} if address else {}

    done = home.run("--log-level", "DEBUG", DB_PASSWORD=PASSWORD, **where)

    assert done.exit == code, done
    assert home.traces(PASSWORD, done) == []


def test_a_crash_of_ours_logs_its_traceback_without_the_password(home: Home) -> None:
    # Given a folder where the program expects none: a fault nobody thought of
    (home.runs / "m-1" / "run.json").mkdir(parents=True)

    done = home.task("prepare", "--run", "m-1", DB_PASSWORD=PASSWORD)

    assert done.exit == 1
    assert home.traces(PASSWORD, done) == []


def test_a_failed_run_says_so_in_its_log(home: Home) -> None:
    home.votes.unlink()

    done = home.run()

    (log,) = (home.folder / "logs").glob("*.jsonl")
    assert done.result["reason"] in log.read_text("utf-8")
