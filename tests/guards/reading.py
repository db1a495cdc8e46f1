"""The guards of the reading: what the database holds is what is learned, and it is told."""

from tests.guards.mutant import Mutant

RECONCILE = "tests/integration/test_reconcile.py"
FOREIGN = "tests/integration/test_foreign_tables.py"
RUNS = "tests/unit/test_reconciled_runs.py"

MUTANTS = (
    Mutant(
        name="increment-believed",
        guards="an increment that differs from the database is read in full at once",
        file="task/extract.py",
        old="if base is None or not (snapshot.differs or snapshot.repeated):",
        new="if base is None or snapshot.differs or not snapshot.repeated:",
        tests=(f"{RECONCILE}::test_what_does_not_move_its_time_is_found_at_once",),
    ),
    Mutant(
        name="counts-alone",
        guards="votes that change places are seen though every count stays",
        file="task/reconcile.py",
        old="differs = (cells != self._cells) | (checksums & (crc != self._crc))",
        new="differs = cells != self._cells",
        tests=(f"{RECONCILE}::test_votes_that_change_places_are_seen_though_every_count_stays",),
    ),
    Mutant(
        name="rejects-forgotten",
        guards="a cell that was rejected in the base is not taken for a lost vote",
        file="task/reconcile.py",
        old="return np.concatenate([base[keep], new])",
        new="return new",
        tests=(f"{RECONCILE}::test_what_moves_its_time_needs_no_full_read",),
    ),
    Mutant(
        name="ids-twice",
        guards="a row that comes twice stops the run",
        file="task/validate.py",
        old='    if snapshot.repeated:\n        answer = "stop"\n',
        new='    if snapshot.repeated:\n        answer = "warn"\n',
        tests=(f"{RECONCILE}::test_a_difference_that_a_full_read_leaves_stops_with_both_numbers",),
    ),
    Mutant(
        name="month-nought-is-new",
        guards="the count knows the calendar that the reader knows",
        file="common/queries.py",
        old='    readable="DAYOFMONTH({0}) BETWEEN 1 AND IFNULL(DAYOFMONTH(LAST_DAY({0})), 0)",',
        new='    readable="1",',
        tests=(f"{RECONCILE}::test_a_date_of_no_calendar_is_counted_and_comes_in",),
    ),
    Mutant(
        name="end-of-days-is-a-time",
        guards="a time that stands for none is none",
        file="common/feedback.py",
        old="return found if FIRST_US <= found < LAST_US else None",
        new="return found",
        tests=("tests/unit/test_feedback.py::test_what_is_no_time_is_none",),
    ),
    Mutant(
        name="date-serves",
        guards="a type that cannot tell what is new is refused",
        file="common/column_types.py",
        old='TIMES = frozenset({"datetime", "timestamp"})',
        new='TIMES = frozenset({"datetime", "timestamp", "date"})',
        tests=(
            f"{FOREIGN}::test_a_type_that_cannot_serve_is_refused_before_anything_is_counted_or_read",
        ),
    ),
    Mutant(
        name="own-bytes-compared",
        guards="votes of any character set are counted as they are read",
        file="common/queries.py",
        old='    vote="CONVERT({} USING utf8mb4)",',
        new='    vote="{}",',
        tests=(f"{FOREIGN}::test_votes_of_any_character_set_are_counted_as_they_are_read",),
    ),
    Mutant(
        name="enum-by-index",
        guards="a click is told by its word where its column holds words",
        file="common/queries.py",
        old="if self.types[name] in NUMBERS else",
        new="if self.types else",
        tests=(f"{FOREIGN}::test_a_click_is_one_in_every_type",),
    ),
    Mutant(
        name="mode-of-the-server",
        guards="the server's sql_mode changes nothing",
        file="common/mysql_database.py",
        old="\"SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'\"",
        new='"SET SESSION lock_wait_timeout = 60"',
        tests=(f"{FOREIGN}::test_the_servers_own_mode_changes_nothing",),
    ),
    Mutant(
        name="future-believed",
        guards="a cutoff ahead of the database's clock is refused, with its remedy",
        file="common/votes_table.py",
        old="if since is not None and self.is_ahead(since):",
        new="if since is None and self.is_ahead(self.clock()):",
        tests=(RUNS,),
    ),
    Mutant(
        name="newest-by-its-clock",
        guards="the full run after a clock that was ahead is the newest verdict",
        file="common/registry/records.py",
        old="judged = ((r.fencing, r.cutoff, r) for r in runs",
        new="judged = ((0, r.cutoff, r) for r in runs",
        tests=(RUNS,),
    ),
    Mutant(
        name="deletions-are-nothing-new",
        guards="a total that differs from the last verdict's is new",
        file="common/votes_table.py",
        old="if self.fresh < min_new:",
        new="if self.new < min_new:",
        tests=(f"{RUNS}::test_a_total_that_moved_is_new",),
    ),
)
