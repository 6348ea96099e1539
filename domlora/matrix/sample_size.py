"""How many samples a stable answer needs: agreement with the whole map against the number of samples.

In: an energy map that keeps what each sample gave. Out: a table with one row a number of samples. No torch here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from domlora.energy.energy_map import EnergyMap
from domlora.errors import UsageError
from domlora.matrix.resampling import resampled, scores
from domlora.statistics import intervals
from domlora.statistics.ranks import standard_ranks

STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


def sample_curve(
    energy: EnergyMap, counts: Sequence[int] | None = None, resamples: int = 1000, seed: int = 0, top_k: int = 5
) -> pd.DataFrame | None:
    """What a probe with fewer samples would have said, against what all samples of this map say.

    The n samples are drawn *with replacement* from all N of the map, which plays the part of the whole task: the
    N rows of the map stand for the population, n fresh rows are drawn from it, and `agreement` is how often their
    winner is the population's. Subsets without replacement would agree the more the larger their part of the whole,
    and trivially at n = N; these do not. What remains is that the N rows are the only ones known: a winner that is
    ahead by chance among them counts as the true one, so that agreement near n = N is somewhat too good. `repeat`
    has no such reference: two *disjoint* random subsets of n rows each name the same winner in that part of the
    draws. It is unbiased for two fresh sets of n rows of the task, and known up to n = N / 2; there the halves
    complement each other, so that it scatters much from one set of N rows to another.

    Args:
        counts: numbers of samples, by default 1, 2, 3, 4, 6, 8, 12 and so on up to all; above N is allowed.
        top_k: for `overlap`.

    Returns:
        Columns samples, agreement, low, high (95 % interval over the map's samples, `statistics.probability`),
        rho (mean of Spearman's rho with the whole map), overlap (mean of |top k ∩ top k of the whole map| / k),
        repeat (NaN above N / 2). None if the map keeps nothing of single samples.

    Raises:
        UsageError: a number of samples below 1.
    """
    total = energy.provenance.samples
    if total < 2 or resampled(energy, np.ones((1, total))) is None:
        return None
    if counts is None:
        counts = [n for n in STEPS if n < total] + [total]
    if any(n < 1 for n in counts):
        raise UsageError(f"a curve over {', '.join(map(str, counts))} samples: each number is 1 at least")
    whole = scores(energy)
    ranks = standard_ranks(whole)
    k = min(top_k, len(whole))
    top = np.argsort(-whole, kind="stable")[:k]
    generator = np.random.default_rng(seed)
    rows = []
    for n in counts:
        drawn = generator.multinomial(n, np.full(total, 1 / total), size=resamples)
        values = _scores(energy, drawn)  # (resamples, modules)
        agreement = intervals.probability(values.argmax(axis=1) == whole.argmax(), [drawn])
        shared = np.isin(np.argpartition(-values, k - 1, axis=1)[:, :k], top).sum(axis=1) / k
        rows.append(
            {
                "samples": n,
                "agreement": agreement.value,
                "low": agreement.low,
                "high": agreement.high,
                "rho": float(np.mean(standard_ranks(values) @ ranks)),
                "overlap": float(shared.mean()),
                "repeat": _repeat(energy, n, resamples, generator),
            }
        )
    return pd.DataFrame(rows)


def enough(curve: pd.DataFrame, level: float = 0.95) -> int | None:
    """The smallest number of samples of a curve from which on its agreement stays at `level` or above, else None."""
    reached = None
    for row in curve.sort_values("samples", ascending=False).itertuples():
        if row.agreement < level:
            break
        reached = int(row.samples)
    return reached


def _repeat(energy: EnergyMap, n: int, resamples: int, generator: np.random.Generator) -> float:
    total = energy.provenance.samples
    if 2 * n > total:
        return np.nan
    order = generator.permuted(np.tile(np.arange(total), (resamples, 1)), axis=1)
    first, second = (_scores(energy, part.astype(int)).argmax(axis=1) for part in (order < n, order >= total - n))
    return float((first == second).mean())


def _scores(energy: EnergyMap, counts: np.ndarray) -> np.ndarray:
    found = resampled(energy, counts)
    if found is None:
        raise ValueError("a map without single samples has no resamples")
    return found
