"""The embedding network: it can learn, keeps its best epoch, and undoes its class weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from task.models import embedding
from task.models.embedding import Batch, Network, Options, Trained, validation_loss

SIZES = (3, 3, 9)


def batch(
    codes: list[tuple[int, int, int]], like: list[int], dislike: list[int], score: float = 0.5
) -> Batch:
    votes = torch.tensor(like, dtype=torch.float32) + torch.tensor(dislike)
    return Batch(
        codes=torch.tensor(codes),
        weight=torch.ones(len(codes)),
        like=torch.tensor(like, dtype=torch.float32),
        dislike=torch.tensor(dislike, dtype=torch.float32),
        scored=votes,
        total=votes * score,
        square=votes * score**2,
    )


def every_style(like: Callable[[int], int], dislike: Callable[[int], int]) -> Batch:
    styles = range(1, 9)
    return batch(
        [(1, 1, s) for s in styles], [like(s) for s in styles], [dislike(s) for s in styles]
    )


def options(**changes: Any) -> Options:
    given = {"batch_size": 64, "max_epochs": 30, "learning_rate": 0.01, "patience": 30, "seed": 0}
    return Options(**(given | changes))


def rebuilt(weights: dict[str, NDArray[np.float32]]) -> Network:
    network = Network(SIZES)
    network.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
    return network


def noisy(seed: int, cells: int = 60) -> Batch:
    """Votes without any pattern: whatever is learned from them is wrong."""
    rng = np.random.default_rng(seed)
    codes = [
        (int(rng.integers(3)), int(rng.integers(3)), int(rng.integers(9))) for _ in range(cells)
    ]
    like = rng.integers(0, 2, cells).tolist()
    return batch(codes, like, [1 - one for one in like])


def overfitted(**changes: Any) -> tuple[Trained, Batch, list[dict[str, NDArray[np.float32]]]]:
    """A run whose validation loss rises after an early minimum, and what it checkpointed."""
    kept: list[dict[str, NDArray[np.float32]]] = []
    validation = noisy(1)
    given = {"max_epochs": 40, "patience": 40, "batch_size": 16} | changes
    trained = embedding.train(SIZES, noisy(0), validation, options(**given), checkpoint=kept.append)
    return trained, validation, kept


def test_one_small_batch_can_be_learned_by_heart() -> None:
    # Given eight styles, every second of which is always liked
    data = every_style(lambda s: 10 * (s % 2), lambda s: 10 * (1 - s % 2))

    trained = embedding.train(SIZES, data, data, options(max_epochs=150, patience=150))

    assert validation_loss(rebuilt(trained.weights), data, torch.ones(2)) < 0.02
    logit, score = embedding.tables(trained.weights, SIZES)
    assert ((logit[1, 1, 1:] > 0) == (np.arange(1, 9) % 2 == 1)).all()
    assert score[1, 1, 1:] == pytest.approx(0.5, abs=0.05)


def test_the_weights_of_the_best_epoch_are_kept_not_those_of_the_last() -> None:
    trained, validation, kept = overfitted()
    losses = [epoch.validation_loss for epoch in trained.curve]

    # Given an early minimum
    assert 1 <= trained.best_epoch < len(losses) - 5
    assert losses[-1] > min(losses) + 0.05

    # Then the weights give exactly the best loss recorded in the curve
    assert losses[trained.best_epoch - 1] == min(losses)
    weights = embedding.class_weights(noisy(0))
    assert validation_loss(rebuilt(trained.weights), validation, weights) == min(losses)
    # And the last checkpoint holds the same weights
    for name, values in trained.weights.items():
        assert np.array_equal(kept[-1][name], values)
    assert len(kept) == sum(
        loss < min(losses[:i], default=float("inf")) for i, loss in enumerate(losses)
    )


def test_training_stops_after_so_many_epochs_without_improvement() -> None:
    trained, _, _ = overfitted(patience=4)

    assert len(trained.curve) == trained.best_epoch + 4 < 40
    assert [epoch.epoch for epoch in trained.curve] == list(range(1, len(trained.curve) + 1))


def test_the_learning_rate_is_lowered_where_validation_stands_still() -> None:
    rates = [epoch.learning_rate for epoch in overfitted()[0].curve]

    assert rates[0] == 0.01
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.01
    assert {round(0.01 / rate, 6) for rate in rates} <= {2.0**i for i in range(20)}


def test_without_validation_votes_the_training_loss_decides() -> None:
    trained = embedding.train(SIZES, noisy(0), None, options(max_epochs=5))

    assert [e.validation_loss for e in trained.curve] == [e.train_loss for e in trained.curve]


def test_class_weights_are_balanced_and_the_correction_undoes_them() -> None:
    # Given one choice that 9 of 10 people like
    data = batch([(1, 1, 1)], [900], [100])
    weights = embedding.class_weights(data)
    assert weights.tolist() == pytest.approx([5.0, 1000 / 1800])

    trained = embedding.train(SIZES, data, data, options(max_epochs=150, patience=150))

    logit = embedding.tables(trained.weights, SIZES)[0][1, 1, 1]
    raw, corrected = 1 / (1 + np.exp(-np.array([logit, logit - embedding.correction(weights)])))
    assert raw == pytest.approx(0.5, abs=0.05)
    assert corrected == pytest.approx(0.9, abs=0.02)


def test_base_rows_weigh_in_the_class_weights_as_in_the_loss() -> None:
    data = batch([(1, 1, 1), (1, 1, 2)], [8, 0], [0, 4])
    half = Batch(**(vars(data) | {"weight": torch.tensor([0.5, 1.0])}))

    assert embedding.class_weights(half).tolist() == [1.0, 1.0]


def test_a_class_without_votes_leaves_the_weights_finite() -> None:
    weights = embedding.class_weights(batch([(1, 1, 1)], [50], [0]))

    assert torch.isfinite(weights).all()
    assert np.isfinite(embedding.correction(weights))


@pytest.mark.parametrize("seed, same", [(0, True), (1, False)])
def test_the_seed_alone_decides_the_weights(seed: int, same: bool) -> None:
    one, other = (
        embedding.train(SIZES, noisy(0), noisy(1), options(max_epochs=3, seed=s)) for s in (0, seed)
    )

    equal = [np.array_equal(one.weights[name], other.weights[name]) for name in one.weights]
    assert all(equal) == same
    assert (one.curve == other.curve) == same


def test_a_network_of_any_size_is_rebuilt_from_its_weights() -> None:
    for sizes in ((1, 3, 1), (6, 3, 2_000)):
        weights = embedding.copy_of(Network(sizes))

        logit, score = embedding.tables(weights, sizes)

        assert logit.shape == score.shape == sizes
        assert (score > 0).all()
        assert (score < 1).all()


def test_progress_is_told_after_each_epoch() -> None:
    seen: list[int] = []

    embedding.train(SIZES, noisy(0), noisy(1), options(max_epochs=4), progress=seen.append)

    assert seen == [1, 2, 3, 4]


def test_the_optimiser_moves_as_pytorchs_own_adam_on_its_own_plateau() -> None:
    # Given the same gradients and losses, among them plateaus, for both
    ours = [torch.nn.Parameter(torch.ones(3, 2)), torch.nn.Parameter(torch.zeros(4))]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    optimiser = embedding._Adam(list(ours), 0.01)
    reference = torch.optim.Adam(theirs, lr=0.01)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(reference, factor=0.5, patience=3)
    random = torch.Generator().manual_seed(1)
    losses = [1.0, 0.9, *[0.9] * 6, 0.89, 0.88999, *[0.95] * 9, 0.5]

    for loss in losses:
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=random)
            other.grad = one.grad.clone()
        optimiser.step()
        optimiser.after_epoch(loss)
        reference.step()
        plateau.step(loss)

        assert optimiser.rate == reference.param_groups[0]["lr"]
        for one, other in zip(ours, theirs, strict=True):
            assert torch.allclose(one, other, rtol=1e-6, atol=1e-7)
    assert optimiser.rate < 0.01
