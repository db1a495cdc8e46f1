"""Whatever stands in the votes' table: a model, a normal "not yet", or a clear stop. Never a crash.

Rejected cells are counted by reason, and what is odd but harmless goes through unharmed.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.home import Done, Home, clear
from tests.e2e.rows import Row, just_now, plain, styles, write

HOSTILE = (
    "'; DROP TABLE analysis_history; --",
    '"quoted" \\ back\\\\slash %s {0} $HOME `id`',
    "<script>alert(1)</script> & </td>",
    "💇🏽‍♀️ 𝒽𝒶𝒾𝓇 𠮷野家 \u202e مرحبا",
    "=HYPERLINK(1)\t\r\n\x00\x1b[31m",
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """No votes' table yet."""
    return Home(tmp_path)


def rejects(done: Done) -> dict[str, int]:
    found: dict[str, int] = done.result["counts"]["rejected_by_reason"]
    return found


def first_model(done: Done) -> dict[str, Any]:
    """The result of a run that made the first model."""
    assert (done.exit, done.state) == (0, "promoted"), done
    return done.result


def test_no_table_is_an_error(home: Home) -> None:
    with home.table() as table:
        table.execute("CREATE TABLE other (id INTEGER)")

    clear(home.run(), 1, "analysis_history", "none")
    assert home.last_run().state == "failed"


@pytest.mark.parametrize(
    "column", ["user_id", "recommended_styles", "style_2_feedback", "style_3_naver_clicked"]
)
def test_a_missing_column_is_an_error_that_names_it(fresh: Home, column: str) -> None:
    with fresh.table() as table:
        table.execute("DROP INDEX ix_feedback_at")
        table.execute(f"ALTER TABLE analysis_history DROP COLUMN {column}")

    clear(fresh.run(), 1, column)
    assert fresh.last_run().state == "failed"


def test_zero_votes_are_a_normal_not_yet(home: Home) -> None:
    write(home, [plain(i, style_1_feedback=None, feedback_at=None) for i in range(100)])

    done = home.run("--skip-data-check")

    assert (done.exit, done.state, done.result["reason"]) == (0, "skipped", "no votes yet")
    assert home.free()


def test_votes_that_were_all_withdrawn_leave_the_champion(trained: Home) -> None:
    before = trained.champion()
    with trained.table() as table:
        table.execute(
            "UPDATE analysis_history SET style_1_feedback = NULL, style_2_feedback = NULL, "
            "style_3_feedback = NULL, feedback_at = datetime('now')"
        )

    done = trained.run("--min-new-feedback", "0")

    assert (done.exit, done.state) == (0, "skipped"), done
    assert trained.champion() == before


def test_votes_that_are_all_alike_stop_the_run(trained: Home) -> None:
    before = trained.champion()
    write(trained, [plain(i, style_1_feedback="good", feedback_at=just_now()) for i in range(80)])

    done = trained.run()

    assert (done.exit, done.state) == (3, "data_stopped"), done
    assert "class_balance" in done.result["reason"]
    assert trained.champion() == before
    assert trained.last_run().exit == 3
    assert trained.free()


@pytest.mark.parametrize("vote", ["like", "dislike"])
def test_too_few_votes_to_call_them_all_alike_do_not_crash_the_run(home: Home, vote: str) -> None:
    write(home, [plain(i, style_1_feedback=vote) for i in range(29)])

    done = home.run("--min-feedback", "10")

    assert done.exit == 0, done
    assert done.result["counts"]["votes"] == 29
    metrics = done.result["metrics"]["challenger"]
    assert metrics["auc"] is None
    assert all(value is None or math.isfinite(value) for value in metrics.values())


def test_a_style_never_seen_is_judged_by_a_champion_that_does_not_know_it(trained: Home) -> None:
    new = styles("아무도 본 적 없는 컷", "가일컷", "댄디컷")
    write(trained, [plain(i, recommended_styles=new, feedback_at=just_now()) for i in range(200)])

    done = trained.run()

    assert done.exit == 0, done
    assert done.result["verdict"]["decision"] in ("promote", "inconclusive", "reject")
    assert done.result["counts"]["new_votes"] == 200


def test_ten_thousand_styles_make_a_model(home: Home) -> None:
    write(
        home,
        (
            plain(i, recommended_styles=styles(f"{i}번 컷"), user_id=f"user-{i}")
            for i in range(10_000)
        ),
    )

    result = first_model(home.run())

    assert result["counts"]["votes"] == 10_000
    table = home.store / "models" / result["version"] / "model.json"
    learned = json.loads(table.read_text("utf-8"))["vocabulary"]["styles"]
    assert len(learned) > 6_500  # those of the training side


def test_hostile_texts_in_every_field_are_only_texts(home: Home) -> None:
    # Given quotes, SQL, markup, emoji and control characters wherever a text may stand
    rows = [plain(i) for i in range(100)]
    for i, text in enumerate(HOSTILE * 20):
        rows.append(hostile(text, 100 + i))
    write(home, rows)

    # When the loop learns from them, and again when more arrive
    first = first_model(home.run())
    write(home, [hostile(text, i) | {"feedback_at": just_now()} for i, text in enumerate(HOSTILE)])
    second = home.run()

    # Then every vote counts, under the very name it was given
    assert first["counts"]["votes"] == 200
    assert first["counts"]["rejected_by_reason"] == {}
    assert second.exit == 0
    assert second.result["counts"]["votes"] == 205
    model = home.store / "models" / first["version"] / "model.json"
    learned = set(json.loads(model.read_text("utf-8"))["vocabulary"]["names"])
    assert {"💇🏽‍♀️ 𝒽𝒶𝒾𝓇 𠮷野家 \u202e مرحبا", HOSTILE[0]} <= learned
    report = (home.store / "runs" / first["run_id"] / "report.html").read_text("utf-8")
    assert "<script>alert" not in report
    with home.table() as table:
        assert table.execute("SELECT COUNT(*) FROM analysis_history").fetchone() == (205,)


def hostile(text: str, number: int) -> Row:
    """A row with the text in each of its fields, the vote left out."""
    return plain(
        number,
        user_id=f"{text}{number}",
        image_hash=f"{text}{number}",
        face_shape=text,
        personal_color=text,
        recommended_styles=styles(text, text, reason=text, confidence_level=text),
    )


def test_json_that_is_no_list_of_styles_is_rejected_by_reason(home: Home) -> None:
    odd = {
        "3": "not_a_list",
        '"가일컷"': "not_a_list",
        "null": "not_a_list",
        "{}": "not_a_list",
        "[]": "no_item",
        "[42]": "not_an_item",
        "[[]]": "not_an_item",
        '[{"style_name": 42}]': "no_style_name",
        '[{"style_name": "  "}]': "no_style_name",
        '[{"style_name": "가일': "malformed_json",
        "[" * 100_000: "malformed_json",
        "": "no_styles",
    }
    write(home, [plain(i) for i in range(100)])
    write(home, [plain(i, recommended_styles=text) for i, text in enumerate(odd)])
    write(home, [plain(0, style_1_feedback=vote) for vote in ("Like", "love", "", "1")])

    result = first_model(home.run())

    expected = {reason: list(odd.values()).count(reason) for reason in odd.values()}
    assert result["counts"]["rejected_by_reason"] == expected | {"unknown_vote": 4}
    assert result["counts"]["votes"] == 100
    assert result["counts"]["read"] == 100 + len(odd) + 4


def test_too_many_rejects_stop_the_run(trained: Home) -> None:
    before = trained.champion()
    write(trained, [plain(i, recommended_styles="3", feedback_at=just_now()) for i in range(400)])

    done = trained.run("--full")

    assert (done.exit, done.state) == (3, "data_stopped"), done
    assert "rejected_share" in done.result["reason"]
    assert trained.champion() == before
    assert trained.free()


def test_an_impossible_score_is_missing_and_its_vote_stays(home: Home) -> None:
    scores = ("250", "NaN", "-1", "Infinity", "-Infinity", '"0.5"', "true", "1e999", "[1]")
    write(home, [plain(i) for i in range(100)])
    write(
        home,
        [
            plain(i, recommended_styles=f'[{{"style_name": "가일컷", "score": {score}}}]')
            for i, score in enumerate(scores)
        ],
    )

    result = first_model(home.run())

    assert result["counts"]["votes"] == 100 + len(scores)
    assert result["counts"]["rejected_by_reason"] == {}
    record = json.loads((home.runs / result["run_id"] / "run.json").read_text("utf-8"))
    assert record["counts"]["noted"]["bad_score"] == len(scores)
    assert 0 <= result["metrics"]["challenger"]["score_rmse"] <= 1
