"""The guards of the statistics: what may be concluded from which votes, and how often wrongly."""

from tests.guards.mutant import Mutant

INTERVALS = "tests/unit/test_intervals.py"
EPROCESS = "tests/unit/test_eprocess.py"

MUTANTS = (
    Mutant(
        name="vote-bet-on-twice",
        guards="the proof stakes on each vote once, in the first run after it came",
        file="task/eprocess.py",
        old="(feedback_at > state.cutoff) & (feedback_at <= cutoff)\n"
        "    new &= ~np.isin(group, np.unique(group[earlier]))\n",
        new="(feedback_at > state.since) & (feedback_at <= cutoff)\n",
        tests=(EPROCESS,),
    ),
    Mutant(
        name="person-bet-on-twice",
        guards="the proof stakes on each person once: a second visit is foreseeable",
        file="task/eprocess.py",
        old="    new &= ~np.isin(group, np.unique(group[earlier]))\n",
        new="",
        tests=(EPROCESS,),
    ),
    Mutant(
        name="wealth-inherited",
        guards="another pair of versions never goes on with this one's proof",
        file="task/eprocess.py",
        old="if state and (state.champion, state.replaced) == (champion, replaced):",
        new="if state:",
        tests=(EPROCESS,),
    ),
    Mutant(
        name="best-bet-afterwards",
        guards="the proof's stakes are chosen before the votes, not the best one after them",
        file="task/eprocess.py",
        old="math.log(sum(math.exp(one - top) for one in state.log_wealth) / len(BETS))",
        new="0.0",
        tests=(EPROCESS,),
    ),
    Mutant(
        name="votes-for-groups",
        guards="the degrees of freedom count groups, and a loud one as about one",
        file="task/intervals.py",
        old="spread, groups = _deviation(sums), effective_groups(sizes)",
        new="spread, groups = _deviation(sums), float(size)",
        tests=(INTERVALS,),
    ),
    Mutant(
        name="nine-likes-prove-it",
        guards="votes that all agree are no surer than their chance allows",
        file="task/intervals.py",
        old="careful = max(careful, math.sqrt(float(expected.sum())) / n)",
        new="careful = careful + 0.0 * math.sqrt(float(expected.sum())) / n",
        tests=(INTERVALS,),
    ),
)
