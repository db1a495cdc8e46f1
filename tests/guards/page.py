"""The guards of the page: nobody's script, no vote that is only shown, nothing out of reach."""

from tests.guards.mutant import Mutant

LOOKS = "tests/browser/test_page_looks.py"
PAGE = "tests/browser/test_page.py"
FAULTS = "tests/browser/test_page_faults.py"

MUTANTS = (
    Mutant(
        name="style-name-as-html",
        guards="a style's name is text, whatever somebody called it",
        file="api/page/page.js",
        old='row.querySelector("h3").textContent = item.style;',
        new='row.querySelector("h3").innerHTML = item.style;',
        tests=(f"{PAGE}::test_a_style_that_is_called_like_a_script_is_text",),
    ),
    Mutant(
        name="vote-without-a-column",
        guards="only what the table has room for can be voted on",
        file="api/page/page.js",
        old="if (found.recorded && item.votable)",
        new="if (found.recorded)",
        tests=(f"{PAGE}::test_only_what_the_table_has_room_for_can_be_voted_on",),
    ),
    Mutant(
        name="double-click-asks-twice",
        guards="a double click is one question, and one row on record",
        file="api/page/page.js",
        old="asked === JSON.stringify(body)",
        new="asked === body",
        tests=(f"{PAGE}::test_a_double_click_asks_once",),
    ),
    Mutant(
        name="failed-vote-shown",
        guards="a vote that was not kept is not shown as given",
        file="api/page/page.js",
        old="  vote.wanted = vote.saved;\n",
        new="",
        tests=(
            f"{FAULTS}::test_a_vote_that_could_not_be_kept_is_not_shown_and_a_second_try_keeps_it",
        ),
    ),
    Mutant(
        name="sure-after-a-failure",
        guards="after a vote that failed nobody is sure of what is on record",
        file="api/page/page.js",
        old="  vote.sure = false;\n",
        new="",
        tests=(f"{FAULTS}::test_after_a_vote_that_failed_the_one_before_can_be_given_again",),
    ),
    Mutant(
        name="changed-mind-not-told",
        guards="a vote given on the page is in the next snapshot as it was last given",
        file="api/page/page.js",
        old="feedback: wish }",
        new="feedback: vote.saved ?? wish }",
        tests=("tests/browser/test_a_vote_comes_back.py",),
    ),
    Mutant(
        name="key-kept-for-ever",
        guards="the API key is forgotten when the tab closes",
        file="api/page/page.js",
        old="name === KEY ? sessionStorage : localStorage",
        new="localStorage",
        tests=(f"{FAULTS}::test_a_service_that_wants_a_key_gets_it_until_the_tab_closes",),
    ),
    Mutant(
        name="degraded-unsaid",
        guards="promise 6: the page says that an earlier model answers, and why",
        file="api/page/page.js",
        old='get("degraded").hidden = !model.degraded;',
        new='get("degraded").hidden = true;',
        tests=(f"{FAULTS}::test_a_model_that_must_not_serve_is_named_and_the_earlier_one_answers",),
    ),
    Mutant(
        name="focus-unseen",
        guards="whoever has no mouse sees where they are",
        file="api/page/page.css",
        old="input:focus-visible + .card { outline: 3px",
        new="input:focus-visible + .card { outline: 0",
        tests=("tests/browser/test_page_by_keyboard.py",),
    ),
    Mutant(
        name="faint-by-night",
        guards="every text can be read, by night too",
        file="api/page/page.css",
        old="--soft: #aca69d;",
        new="--soft: #6c665d;",
        tests=(f"{LOOKS}::test_every_text_can_be_read_by_day_and_by_night",),
    ),
    Mutant(
        name="too-wide-for-a-phone",
        guards="nothing is wider than a phone",
        file="api/page/page.css",
        old=".five { grid-template-columns: repeat(5, minmax(0, 1fr)); }",
        new=".five { grid-template-columns: repeat(5, 6rem); }",
        tests=(f"{LOOKS}::test_nothing_is_wider_than_the_window",),
    ),
    Mutant(
        name="small-targets",
        guards="everything that is pressed is large enough for a finger",
        file="api/page/page.css",
        old="flex-direction: row; gap: .5rem; min-height: 44px;",
        new="flex-direction: row; gap: .5rem; min-height: 30px;",
        tests=(f"{LOOKS}::test_everything_that_is_pressed_is_large_enough_for_a_finger",),
    ),
)
