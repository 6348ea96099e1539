"""Why a module has its energy: at which token positions it arises, and how large the module's outputs are.

‖G‖² = Σ_t (row t of XXᵀ ∘ YYᵀ) splits an energy exactly over the positions of its sample. Energy at the first token
with a huge output there is the massive activation of an attention sink; energy on the response is the task's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from domlora.data.batches import Batch
from domlora.data.encoding import EncodedSample
from domlora.probes.config import POSITION_EDGES

TOP_TOKENS = 8
FIRST, PROMPT, RESPONSE = range(3)


@dataclass(frozen=True)
class Explanation:
    """Per module, in the probe's order.

    Attributes:
        roles: (modules, 3) energy at the first token, on the rest of the prompt, on the response; sums to 1. None
            where rows were not measured, as `positions`, `top_tokens`, `top_shares`.
        positions: (modules, bins) energy share of each bin of `POSITION_EDGES`.
        top_tokens: (modules, k) ids of the tokens that carry most energy, with `top_shares`.
        max_output: (modules,) largest |output|; `max_position` and `max_token` say where.
    """

    roles: np.ndarray | None
    positions: np.ndarray | None
    top_tokens: np.ndarray | None
    top_shares: np.ndarray | None
    max_output: np.ndarray
    max_position: np.ndarray
    max_token: np.ndarray


class ExplanationBuilder:
    """Collects rows and maxima during a probe, per sample, so that a batch may be done again without harm."""

    def __init__(self, modules: int, samples: Sequence[EncodedSample]):
        self.samples = samples
        self.vocabulary, flat = np.unique(np.concatenate([s.ids for s in samples]), return_inverse=True)
        lengths = np.array([len(s.ids) for s in samples])
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])
        self.token = flat  # (all tokens,) index into the vocabulary
        self.position = np.concatenate([np.arange(n) for n in lengths])
        response = np.concatenate([s.response for s in samples])
        self.role = np.where(self.position == 0, FIRST, np.where(response, RESPONSE, PROMPT))
        self.rows = np.zeros((modules, len(flat)), dtype=np.float32)  # energy of every token
        self.peaks = np.zeros((modules, len(samples)), dtype=np.float32)
        self.peak_positions = np.zeros((modules, len(samples)), dtype=np.int64)

    def add_rows(self, modules: torch.Tensor, rows: torch.Tensor, batch: Batch) -> None:
        """rows (modules, B, T): energy of each token of the batch's samples."""
        values = rows.numpy()
        for row, sample in enumerate(batch.index.tolist()):
            start, end = self.offsets[sample], self.offsets[sample + 1]
            self.rows[modules.numpy(), start:end] = values[:, row, : end - start]

    def add_peaks(self, modules: list[int], peaks: torch.Tensor, batch: Batch) -> None:
        """peaks (modules, B, T): largest |output| of each token, zero at padding."""
        value, position = peaks.max(2)
        place = np.ix_(np.array(modules), batch.index.numpy())
        self.peaks[place] = value.float().cpu().numpy()
        self.peak_positions[place] = position.cpu().numpy()

    def finish(self, rows: bool = True) -> Explanation:
        """Args: rows: False if no energies of single tokens were added."""
        sample = self.peaks.argmax(1)
        modules = np.arange(len(sample))
        position = self.peak_positions[modules, sample]
        token = self.vocabulary[self.token[self.offsets[sample] + position]]
        maxima = (self.peaks[modules, sample], position, token)
        if not rows:
            return Explanation(None, None, None, None, *maxima)
        bins = np.searchsorted(POSITION_EDGES, self.position, side="right")
        by_token = self._share(self.token, len(self.vocabulary))
        top = np.argsort(-by_token, axis=1, kind="stable")[:, :TOP_TOKENS]
        return Explanation(
            self._share(self.role, 3),
            self._share(bins, len(POSITION_EDGES) + 1),
            self.vocabulary[top],
            np.take_along_axis(by_token, top, 1),
            *maxima,
        )

    def _share(self, group: np.ndarray, groups: int) -> np.ndarray:
        """(modules, groups) part of each module's energy; rows of a silent module are zero."""
        sums = np.stack([np.bincount(group, weights=row, minlength=groups) for row in self.rows])
        total = sums.sum(1, keepdims=True)
        return np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)
