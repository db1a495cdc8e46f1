"""The guards of the folds: what a model is judged by has not learned from what judges it."""

from tests.guards.mutant import Mutant

FOLDS = "tests/model/test_cross_fitting.py"
LEAK = f"{FOLDS}::test_a_folds_own_votes_reach_nothing_that_it_is_judged_by"

MUTANTS = (
    Mutant(
        name="fold-fitted-on-its-own-votes",
        guards="promise 3: no fold's model has learned from the groups that it judges",
        file="task/folds.py",
        old="without_one = folds[:, None] != folds",
        new="without_one = folds[:, None] != folds - FOLDS",
        tests=(LEAK,),
    ),
    Mutant(
        name="constant-of-all-votes",
        guards="fault 10: not even the like rate that a first model must beat knows the fold",
        file="task/train.py",
        old="likes = folds.like.sum() - folds.like.sum(axis=(1, 2, 3))",
        new="likes = folds.like.sum() * outside / votes",
        tests=(LEAK,),
    ),
    Mutant(
        name="network-sees-every-fold",
        guards="fault 10: the network and its class weights see neither fold of the pair",
        file="task/candidates.py",
        old="learned = ~real | ((pair(cells.fold) != index) & (cells.fold != stop_fold))",
        new="learned = ~real | (cells.fold != stop_fold)",
        tests=(LEAK,),
    ),
    Mutant(
        name="base-rows-held-out",
        guards="promise 3: base rows are only ever learned from",
        file="task/candidates.py",
        old="real = cells.of(REAL)\n    shape",
        new="real = cells\n    shape",
        tests=(FOLDS,),
    ),
    Mutant(
        name="missing-folds-taken-for-an-older-version",
        guards="fault 8: a version of this format without its folds is damaged",
        file="task/artifact.py",
        old='if table.metadata["format_version"] == 1:',
        new="if not (folder / FOLD_TABLES).exists():",
        tests=("tests/unit/test_artifact_folds.py",),
    ),
    Mutant(
        name="folds-not-in-the-manifest",
        guards="fault 8: the folds are part of a whole version",
        file="task/artifact.py",
        old="({FOLD_TABLES} if written == 1 else set())",
        new="{FOLD_TABLES}",
        tests=("tests/unit/test_artifact.py",),
    ),
)
