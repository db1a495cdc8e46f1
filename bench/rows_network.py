"""The same embedding network, trained the usual way: on rows, in shuffled batches of 64.

The layers are those of `task.models.embedding`, so what is compared is the training and not
the network: a row per vote, mean squared error of the score plus two times cross-entropy with
balanced class weights, Adam at 0.001, the rate halved on a plateau, at most 50 epochs, stopped
after 7 without a better validation loss, the best weights restored (by a real copy). `loader`
chooses PyTorch's DataLoader over resident tensors; without it the batches are cut from a
permutation, which gives the same training several times faster.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from time import process_time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from task.models import embedding

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BATCH, RATE, EPOCHS, PATIENCE = 64, 0.001, 50, 7
VOTE_WEIGHT = 2.0


@dataclass(frozen=True, kw_only=True)
class Rows:
    """N votes as tensors: codes (N, 3) int64, like (N,) int64, score (N,) float32."""

    codes: Tensor
    like: Tensor
    score: Tensor

    def part(self, index: Tensor | slice) -> Rows:
        return Rows(codes=self.codes[index], like=self.like[index], score=self.score[index])


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Like logits (F, T, S) as the network gives them, and what the class weights added."""

    logit: Floats
    correction: float
    epochs: int
    seconds: float


class Trainer:
    """One network with its optimiser; `epoch` goes once over the rows."""

    def __init__(self, sizes: tuple[int, int, int], train: Rows, seed: int, loader: bool) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self.sizes, self.train, self.loader = sizes, train, loader
        self.network = embedding.Network(sizes)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=RATE)
        counts = torch.bincount(train.like, minlength=2).clamp_min(1).float()
        self.weights = counts.sum() / (2 * counts)

    def epoch(self) -> None:
        """One pass over the rows in random order."""
        self.network.train()
        for batch in _by_loader(self.train) if self.loader else _by_index(self.train):
            self.optimiser.zero_grad()
            self.loss(batch).backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()

    def loss(self, rows: Rows) -> Tensor:
        """The mean loss of some rows."""
        score, vote = self.network(rows.codes)
        entropy = nn.functional.cross_entropy(vote, rows.like, weight=self.weights)
        return nn.functional.mse_loss(score, rows.score) + VOTE_WEIGHT * entropy

    def held_out(self, rows: Rows) -> float:
        """The same on rows that are not trained on."""
        self.network.eval()
        with torch.no_grad():
            return float(self.loss(rows))

    def fitted(self, epochs: int, seconds: float) -> Fitted:
        weights = {name: value.numpy() for name, value in self.network.state_dict().items()}
        logit, _ = embedding.tables(weights, self.sizes)
        correction = embedding.correction(self.weights)
        return Fitted(logit=logit, correction=correction, epochs=epochs, seconds=seconds)


def fit(
    sizes: tuple[int, int, int], train: Rows, held: Rows, *, seed: int, loader: bool = False
) -> Fitted:
    """Train to the early stop."""
    start = process_time()
    trainer = Trainer(sizes, train, seed, loader)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(trainer.optimiser, factor=0.5, patience=3)
    best, best_epoch, kept = float("inf"), 0, trainer.network.state_dict()
    epoch = 0
    for epoch in range(1, EPOCHS + 1):
        trainer.epoch()
        loss = trainer.held_out(held)
        plateau.step(loss)
        if loss < best:
            best, best_epoch = loss, epoch
            kept = copy.deepcopy(trainer.network.state_dict())
        if epoch - best_epoch >= PATIENCE:
            break
    trainer.network.load_state_dict(kept)
    return trainer.fitted(epoch, process_time() - start)


def rows(codes: tuple[Ints, Ints, Ints], like: NDArray[np.bool_], score: Floats) -> Rows:
    """Votes as tensors, from codes (N,) each."""
    return Rows(
        codes=torch.from_numpy(np.stack(codes, axis=1).astype(np.int64)),
        like=torch.from_numpy(like.astype(np.int64)),
        score=torch.from_numpy(score.astype(np.float32)),
    )


def _by_loader(data: Rows) -> Iterator[Rows]:
    dataset = TensorDataset(data.codes, data.like, data.score)
    for codes, like, score in DataLoader(dataset, batch_size=BATCH, shuffle=True):
        yield Rows(codes=codes, like=like, score=score)


def _by_index(data: Rows) -> Iterator[Rows]:
    for index in torch.split(torch.randperm(len(data.like)), BATCH):
        yield data.part(index)
