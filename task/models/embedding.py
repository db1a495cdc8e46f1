"""The embedding network: face, tone and style embeddings, shared layers, two heads.

loss = MSE(score) + 2 × cross-entropy(vote) with class weights. It trains on cells: a batch is
a set of cells with their counts, and for the full batch without dropout loss and gradient
equal those over single votes exactly. In training a code is now and then replaced by the
unknown one, so that the unknown classes learn a sensible answer too. Single-threaded and
deterministic: the same seed gives the same bytes.

Not a DataLoader over rows: measured 186 times slower per epoch at a million votes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.adam import adam as functional_adam

Floats = NDArray[np.float64]
Sizes = tuple[int, int, int]

FACE_DIM, TONE_DIM, STYLE_DIM = 8, 4, 16
HIDDEN = (64, 32)
DROPOUT = 0.2
UNKNOWN_RATE = 0.02
"""Share of codes that training replaces by the unknown code."""
PLATEAU_PATIENCE = 3
PLATEAU_FACTOR = 0.5
PLATEAU_MARGIN = 1e-4
"""Share by which a loss must fall to count as an improvement."""
VOTE_WEIGHT = 2.0
"""Weight of the cross-entropy against the mean squared error of the score."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """C cells as tensors. `codes` (C, 3) int64; the rest (C,), `weight` is the source's."""

    codes: Tensor
    weight: Tensor
    like: Tensor
    dislike: Tensor
    scored: Tensor
    total: Tensor
    square: Tensor

    def rows(self, index: Tensor | slice) -> Batch:
        return Batch(**{name: value[index] for name, value in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person may tune; see the settings of the same names."""

    batch_size: int
    max_epochs: int
    learning_rate: float
    patience: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of the learning curve."""

    epoch: int
    train_loss: float
    validation_loss: float
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The best epoch's weights, not the last one's, and how training went."""

    weights: dict[str, NDArray[np.float32]]
    curve: tuple[Epoch, ...]
    best_epoch: int


class Network(nn.Module):
    """(C, 3) codes → scores (C,) in 0..1 and vote logits (C, 2) for dislike, like."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        faces, tones, styles = sizes
        self.face = nn.Embedding(faces, FACE_DIM)
        self.tone = nn.Embedding(tones, TONE_DIM)
        self.style = nn.Embedding(styles, STYLE_DIM)
        first, second = HIDDEN
        self.shared = nn.Sequential(
            nn.Linear(FACE_DIM + TONE_DIM + STYLE_DIM, first),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
        )
        self.score = nn.Linear(second, 1)
        self.vote = nn.Linear(second, 2)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        parts = [self.face(codes[:, 0]), self.tone(codes[:, 1]), self.style(codes[:, 2])]
        hidden: Tensor = self.shared(torch.cat(parts, dim=1))  # (C, 32)
        return torch.sigmoid(self.score(hidden)).squeeze(1), self.vote(hidden)


def loss(network: Network, batch: Batch, class_weights: Tensor) -> Tensor:
    """MSE(score) + 2 × weighted cross-entropy over the votes that the cells stand for."""
    score, vote = network(batch.codes)
    nll = -torch.log_softmax(vote, dim=1)  # (C, 2)
    counts = torch.stack([batch.dislike, batch.like], dim=1) * batch.weight[:, None] * class_weights
    entropy = (counts * nll).sum() / counts.sum().clamp_min(1e-12)
    error = batch.square - 2.0 * score * batch.total + batch.scored * score**2
    scored = (batch.weight * batch.scored).sum().clamp_min(1e-12)
    total: Tensor = (batch.weight * error).sum() / scored + VOTE_WEIGHT * entropy
    return total


def class_weights(batch: Batch) -> Tensor:
    """Balanced weights (dislike, like) of the training votes: N / (2 · N_class)."""
    counts = torch.stack(
        [(batch.weight * batch.dislike).sum(), (batch.weight * batch.like).sum()]
    ).clamp_min(1.0)
    return counts.sum() / (2.0 * counts)


def correction(weights: Tensor | NDArray[np.floating]) -> float:
    """What the class weights add to a logit: log(w_like / w_dislike)."""
    return float(np.log(float(weights[1]) / float(weights[0])))


def train(
    sizes: Sizes,
    data: Batch,
    validation: Batch | None,
    options: Options,
    *,
    checkpoint: Callable[[dict[str, NDArray[np.float32]]], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Trained:
    """Train with Adam, a learning rate lowered on a plateau, and early stopping.

    Without validation cells the training loss decides which epoch is best. `checkpoint` is
    called with the weights of each epoch that is the best so far.
    """
    # One thread makes every operation used here deterministic on a processor; the switch
    # `use_deterministic_algorithms` would add nothing but the seconds of loading the compiler.
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(options.seed)
    torch.manual_seed(options.seed)
    network, weights = Network(sizes), class_weights(data)
    optimiser = _Adam(list(network.parameters()), options.learning_rate)
    curve: list[Epoch] = []
    best, best_weights = float("inf"), copy_of(network)
    best_epoch = 0
    for epoch in range(1, options.max_epochs + 1):
        rate = optimiser.rate
        train_loss = _epoch(network, optimiser, data, weights, options.batch_size, random)
        seen = train_loss if validation is None else validation_loss(network, validation, weights)
        optimiser.after_epoch(seen)
        curve.append(
            Epoch(epoch=epoch, train_loss=train_loss, validation_loss=seen, learning_rate=rate)
        )
        if seen < best:
            best, best_epoch, best_weights = seen, epoch, copy_of(network)
            if checkpoint:
                checkpoint(best_weights)
        if progress:
            progress(epoch)
        if epoch - best_epoch >= options.patience:
            break
    return Trained(weights=best_weights, curve=tuple(curve), best_epoch=best_epoch)


def validation_loss(network: Network, cells: Batch, weights: Tensor) -> float:
    """Log-loss per vote of the probabilities corrected for the class weights."""
    network.eval()
    with torch.no_grad():
        _, vote = network(cells.codes)
        logit = vote[:, 1] - vote[:, 0] - correction(weights)
        nll = nn.functional.softplus(-logit) * cells.like
        nll = nll + nn.functional.softplus(logit) * cells.dislike
        return float(nll.sum() / (cells.like + cells.dislike).sum())


def copy_of(network: Network) -> dict[str, NDArray[np.float32]]:
    """A deep copy of the weights: a later step of the optimiser must not reach it."""
    return {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}


def tables(weights: Mapping[str, NDArray[np.float32]], sizes: Sizes) -> tuple[Floats, Floats]:
    """Uncorrected like logits and scores of every face × tone × style: two (F, T, S)."""
    network = Network(sizes)
    network.load_state_dict({name: torch.from_numpy(w.copy()) for name, w in weights.items()})
    network.double().eval()
    codes = torch.from_numpy(np.indices(sizes).reshape(3, -1).T.copy())
    with torch.no_grad():
        score, vote = network(codes)
    logit = (vote[:, 1] - vote[:, 0]).numpy()
    return logit.reshape(sizes), score.numpy().reshape(sizes)


class _Adam:
    """Adam with a learning rate lowered on a plateau, on PyTorch's functional Adam.

    The class `torch.optim.Adam` is the same computation, but making one loads the compiler
    (`torch._dynamo`), which takes longer than the whole training: measured 1.2 to 1.9 s.
    """

    def __init__(self, parameters: list[Tensor], rate: float) -> None:
        self.rate = rate
        self.parameters = parameters
        self.means = [torch.zeros_like(p) for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]
        self.steps = [torch.zeros(()) for _ in parameters]
        self.best, self.bad_epochs = float("inf"), 0

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters along their gradients, and forget these."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        assert len(gradients) == len(self.parameters), "every parameter is in the loss"
        functional_adam(
            self.parameters,
            gradients,
            self.means,
            self.squares,
            [],
            self.steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
        for parameter in self.parameters:
            parameter.grad = None

    def after_epoch(self, loss: float) -> None:
        """Lower the rate when the loss has not improved for PLATEAU_PATIENCE epochs."""
        if loss < self.best * (1.0 - PLATEAU_MARGIN):
            self.best, self.bad_epochs = loss, 0
            return
        self.bad_epochs += 1
        if self.bad_epochs > PLATEAU_PATIENCE:
            self.rate, self.bad_epochs = self.rate * PLATEAU_FACTOR, 0


def _epoch(
    network: Network,
    optimiser: _Adam,
    data: Batch,
    weights: Tensor,
    batch_size: int,
    random: torch.Generator,
) -> float:
    """One pass over the cells in random order; returns the mean loss of its batches."""
    network.train()
    cells = len(data.weight)
    shuffled = data.rows(torch.randperm(cells, generator=random))
    hidden = torch.rand(shuffled.codes.shape, generator=random) < UNKNOWN_RATE
    shuffled = replace(shuffled, codes=shuffled.codes.masked_fill(hidden, 0))
    total = 0.0
    for start in range(0, cells, batch_size):
        batch = shuffled.rows(slice(start, start + batch_size))
        value = loss(network, batch, weights)
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += float(value.detach()) * len(batch.weight)
    return total / max(cells, 1)
