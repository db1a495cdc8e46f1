"""The guards of the fit: nothing judges itself, it settles, and the base data bend no mean."""

from tests.guards.mutant import Mutant

FAIR = "tests/model/test_folds_judge_fairly.py"
CROSSED = "tests/model/test_crossed.py"
HIERARCHICAL = "tests/model/test_hierarchical.py"
FOLDS = "tests/unit/test_folds.py"
RECENCY = "tests/unit/test_recency.py"
CALIBRATE = "tests/unit/test_calibrate.py"

MUTANTS = (
    Mutant(
        name="fold-leaks-its-group",
        guards="a group never stands in two folds: only its hash decides",
        file="task/folds.py",
        old="group_numbers(groups, first_byte=8) % np.uint64(FOLDS)",
        new="np.arange(len(groups)) % FOLDS",
        tests=(FOLDS,),
    ),
    Mutant(
        name="fold-of-the-old-split",
        guards="the fold knows nothing of the fixed split, which the first eight bytes decide",
        file="task/folds.py",
        old="first_byte=8",
        new="first_byte=0",
        tests=(FOLDS,),
    ),
    Mutant(
        name="fold-judged-by-what-ships",
        guards="a fold is judged by the model that was fitted without it",
        file="task/folds.py",
        old="    without_one = folds[:, None] != folds\n",
        new="    without_one = np.ones((FOLDS, FOLDS), dtype=bool)\n",
        tests=(FAIR,),
    ),
    Mutant(
        name="fold-calibrated-on-itself",
        guards="a fold's calibration and threshold are decided on its partner",
        file="task/train.py",
        old="folds, [partner(fold)], share",
        new="folds, [fold], share",
        tests=(FAIR,),
    ),
    Mutant(
        name="partner-decided-by-its-own-model",
        guards="what decides on the partner fold was fitted on neither of the pair",
        file="task/train.py",
        old="of.pair_logit[pair(fold)][None]",
        new="of.fold_logit[partner(fold)][None]",
        tests=(FAIR,),
    ),
    Mutant(
        name="first-pair-screens-itself",
        guards="whether the network judges a fold of the first pair is not decided on that fold",
        file="task/candidates.py",
        old="            (each for each in found if pair(fold) < len(each.pair_logit)),",
        new="            (each for each in found if each.whole),",
        tests=(FAIR,),
    ),
    Mutant(
        name="network-stops-by-its-own-fold",
        guards="the network's early stopping looks at another pair's fold",
        file="task/candidates.py",
        old="        stop_fold = 2 * ((index + 1) % PAIRS)\n",
        new="        stop_fold = 2 * index\n",
        tests=(FAIR,),
    ),
    Mutant(
        name="stopped-before-it-settled",
        guards="a fit says whether it has settled, instead of ending with its rounds",
        file="task/models/crossed.py",
        old="settled=not self.moving.any()",
        new="settled=True",
        tests=(CROSSED,),
    ),
    Mutant(
        name="settled-before-its-variances",
        guards="a fit whose answers stand still goes on until its variances do too",
        file="task/models/crossed.py",
        old="(far >= TOLERANCE) | restless",
        new="far >= TOLERANCE",
        tests=(CROSSED,),
    ),
    Mutant(
        name="effects-of-the-next-variances",
        guards="the effects add up to the answers that were fitted",
        file="task/models/crossed.py",
        old="self.variances.used[name][:, None, None, None]",
        new="self.variances.of[name][:, None, None, None]",
        tests=(CROSSED,),
    ),
    Mutant(
        name="base-bends-the-mean",
        guards="the base data speak of how styles differ, never of how many people like one",
        file="task/models/hierarchical.py",
        old="        if 2 not in axes:\n",
        new="        if False:\n",
        tests=(HIERARCHICAL,),
    ),
    Mutant(
        name="base-not-centred",
        guards="the base data's word is centred in each context over the styles known to both",
        file="task/models/hierarchical.py",
        old="(values - mean) * speaks",
        new="values * speaks",
        tests=(HIERARCHICAL,),
    ),
    Mutant(
        name="unseen-face-of-equal-faces",
        guards="a face without votes answers as the people who vote, not as a mean of the faces",
        file="task/models/unseen.py",
        old="            share = votes[k] / votes[k].sum()\n",
        new="            share = (votes[k] > 0) / (votes[k] > 0).sum()\n",
        tests=(HIERARCHICAL,),
    ),
    Mutant(
        name="trust-surer-than-it-is",
        guards="the deviation of trust counts what is not known about all else",
        file="task/models/crossed.py",
        old="covariance[:, -1, -1]",
        new="1.0 / sums.matrix[:, -1, -1]",
        tests=(CROSSED,),
    ),
    Mutant(
        name="votes-calibrate-as-people",
        guards="the votes of one person bend the calibration no more than one person's vote",
        file="task/calibrate.py",
        old="    return total / float((sizes.astype(np.float64) ** 2).sum()) if total else 1.0",
        new="    return 1.0",
        tests=(CALIBRATE,),
    ),
    Mutant(
        name="threshold-of-the-best-by-chance",
        guards="a threshold stays near one half while a better one is within a standard error",
        file="task/calibrate.py",
        old="f1[best] - error - 1e-12",
        new="f1[best] - 1e-12",
        tests=(CALIBRATE,),
    ),
    Mutant(
        name="timeless-votes-are-new",
        guards="with recency, a vote without a time counts as the oldest, not as a new one",
        file="task/recency.py",
        old="np.where(feedback_at == NO_TIME, oldest, feedback_at)",
        new="np.where(feedback_at == NO_TIME, self.cutoff, feedback_at)",
        tests=(RECENCY,),
    ),
)
