"""Logs: the two shapes of a line, the file that is kept, and that no line shows a secret."""

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from common import logs
from common.logs import configure, hide, in_container, redactor

SECRET = 'p@ss/wörd "1\\2"'


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process's logging is put back, since `configure` is about all of it."""
    root, raises = logging.getLogger(), logging.raiseExceptions
    handlers, level = list(root.handlers), root.level
    monkeypatch.delenv("container", raising=False)
    monkeypatch.delenv("ECS_CONTAINER_METADATA_URI_V4", raising=False)
    yield
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.raiseExceptions = raises


def records(text: str) -> list[dict[str, Any]]:
    """The JSON lines of a text."""
    return [json.loads(line) for line in text.splitlines()]


def test_elsewhere_a_line_is_json_with_time_level_logger_message_run_and_extra() -> None:
    stream = io.StringIO()
    before = datetime.now(UTC)

    configure("INFO", run_id="m-1", stream=stream)
    logging.getLogger("task.extract").info("read %d votes", 12, extra={"seconds": 0.5, "n": None})

    (line,) = records(stream.getvalue())
    moment = datetime.fromisoformat(line.pop("time"))
    assert line == {
        "level": "INFO",
        "logger": "task.extract",
        "message": "read 12 votes",
        "run_id": "m-1",
        "seconds": 0.5,
        "n": None,
    }
    assert moment.utcoffset() == UTC.utcoffset(None)
    assert abs((moment - before).total_seconds()) < 60


def test_extra_fields_of_any_type_stay_valid_json_and_never_replace_our_own() -> None:
    stream = io.StringIO()
    extra = {
        "counts": {"votes": 3, 5: [1, (2.5, True)]},
        "share": float("nan"),
        "folder": Path("work"),
        "level": "made up",
    }

    configure("INFO", stream=stream)
    logging.getLogger("x").warning("가일 컷", extra=extra)

    (line,) = records(stream.getvalue())
    assert line["counts"] == {"votes": 3, "5": [1, [2.5, True]]}
    assert (line["share"], line["folder"]) == ("nan", "work")
    assert (line["level"], line["run_id"], line["message"]) == ("WARNING", None, "가일 컷")
    assert "가일 컷" in stream.getvalue()


def test_on_a_terminal_a_line_is_short_and_names_the_level_only_from_warnings_on() -> None:
    stream = Terminal()

    configure("INFO", run_id="m-1", stream=stream)
    log = logging.getLogger("task.extract")
    log.info("read the votes", extra={"votes": 12})
    log.warning("no index")
    log.debug("below the level")

    plain, warning = stream.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  read the votes  votes=12", plain)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  warning: no index", warning)


def test_an_exception_keeps_its_traceback_in_both_shapes() -> None:
    for stream in (io.StringIO(), Terminal()):
        configure("INFO", stream=stream)
        try:
            raise RuntimeError("gone in mid-read")
        except RuntimeError:
            logging.getLogger("x").exception("the read failed")

        text = stream.getvalue()
        assert "the read failed" in text
        assert "Traceback (most recent call last)" in text
        assert "RuntimeError: gone in mid-read" in text
        assert isinstance(stream, Terminal) or len(records(text)) == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_no_line_shows_a_secret_wherever_it_stands(tmp_path: Path, terminal: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    url = f"mysql://me@db/hairme?key={quote(SECRET, safe='')}"

    configure("DEBUG", run_id="m-1", log_dir=tmp_path, secrets=[SECRET, ""], stream=stream)
    log = logging.getLogger("x")
    log.info("password %s", SECRET)
    log.info(f"password {SECRET!r}", extra={"password": SECRET, "nested": [{"a": SECRET}]})
    log.info(url)
    log.info(quote_plus(SECRET).lower())
    try:
        raise RuntimeError(f"access denied using {SECRET}")
    except RuntimeError:
        log.exception("cannot connect")

    kept = (tmp_path / "m-1.jsonl").read_text(encoding="utf-8")
    for text in (stream.getvalue(), kept):
        assert "wörd" not in text
        assert "w%c3%b6rd" not in text.lower()
        assert text.count("***") == 7
        assert "mysql://me@db/hairme?key=***" in text
        assert "access denied using ***" in text


def test_a_secret_that_becomes_known_later_is_hidden_by_what_was_set_up_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given logging that was set up before a secret was read
    monkeypatch.setattr(logs, "_learned", set())
    stream = io.StringIO()
    configure("DEBUG", run_id="m-1", log_dir=tmp_path, secrets=["other"], stream=stream)
    log = logging.getLogger("x")
    log.info("before, nobody knows that %s is one", SECRET)

    hide(SECRET)
    log.info("password %s of the %s", SECRET, "other")
    log.info(quote(SECRET, safe=""))

    for text in (stream.getvalue(), (tmp_path / "m-1.jsonl").read_text(encoding="utf-8")):
        before, *after = records(text)
        assert SECRET in before["message"]
        assert [line["message"] for line in after] == ["password *** of the ***", "***"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mysql://me:pw@db/x", "mysql://me:***@db/x"),
        ("mysql://:pw@db/x", "mysql://:***@db/x"),
        ("mysql://me:p/w@1@db/x and more", "mysql://me:***@db/x and more"),
        ("http://127.0.0.1:8080/health", "http://127.0.0.1:8080/health"),
        ("mysql://me@db:3306/x", "mysql://me@db:3306/x"),
    ],
)
def test_the_password_of_any_url_is_hidden_without_being_known(text: str, shown: str) -> None:
    assert redactor([])(text) == shown


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    assert redactor(["abc", "abcdef"])("x abcdef y abc z") == "x *** y *** z"


def test_by_hand_the_lines_are_kept_under_the_run_or_the_date(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "logs"

    configure("INFO", run_id="m-1", log_dir=folder, stream=Terminal())
    logging.getLogger("x").info("first")
    configure("INFO", log_dir=folder, stream=Terminal())
    logging.getLogger("x").info("second")

    dated = next(path for path in folder.iterdir() if path.name != "m-1.jsonl")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d\.jsonl", dated.name)
    (first,) = records((folder / "m-1.jsonl").read_text())
    (second,) = records(dated.read_text())
    assert (first["message"], first["run_id"]) == ("first", "m-1")
    assert (second["message"], second["run_id"]) == ("second", None)


def test_a_second_process_with_the_same_run_adds_to_its_file(tmp_path: Path) -> None:
    for message in ("first", "second"):
        configure("INFO", run_id="m-1", log_dir=tmp_path, stream=io.StringIO())
        logging.getLogger("x").info(message)

    kept = records((tmp_path / "m-1.jsonl").read_text())
    assert [line["message"] for line in kept] == ["first", "second"]


@pytest.mark.parametrize("variable", ["ECS_CONTAINER_METADATA_URI_V4", "container"])
def test_in_a_container_no_file_is_kept(
    tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "docker")
    stream = io.StringIO()

    configure("INFO", run_id="m-1", log_dir=tmp_path, stream=stream)
    logging.getLogger("x").info("said")

    assert in_container({variable: "docker"})
    assert list(tmp_path.iterdir()) == []
    assert [line["message"] for line in records(stream.getvalue())] == ["said"]


def test_a_folder_that_cannot_be_written_is_a_warning_and_the_stream_goes_on(
    tmp_path: Path,
) -> None:
    taken = tmp_path / "logs"
    taken.write_text("a file where the folder should be")
    stream = io.StringIO()

    configure("INFO", run_id="m-1", log_dir=taken, stream=stream)
    logging.getLogger("x").info("said")

    warning, said = records(stream.getvalue())
    assert warning["level"] == "WARNING"
    assert "log_dir must be a folder that can be written, got File exists" in warning["message"]
    assert "LOG_DIR" in warning["message"]
    assert said["message"] == "said"


def test_setting_up_twice_says_each_line_once_and_to_the_new_stream() -> None:
    first, second = io.StringIO(), io.StringIO()

    configure("INFO", stream=first)
    configure("INFO", stream=second)
    logging.getLogger("x").info("once")

    assert first.getvalue() == ""
    assert [line["message"] for line in records(second.getvalue())] == ["once"]


def test_a_line_that_cannot_be_written_neither_stops_the_run_nor_shows_its_arguments(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Full(io.StringIO):
        def write(self, text: str, /) -> int:
            raise OSError(28, "No space left on device")

    configure("INFO", secrets=[SECRET], stream=Full())
    logging.getLogger("x").info("password %s", SECRET)

    assert capsys.readouterr().err == ""
