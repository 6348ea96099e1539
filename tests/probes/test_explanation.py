"""Why a module has its energy, from energies of single tokens that the test itself gives."""

import numpy as np
import pytest
import torch

from domlora.data.batches import collate
from domlora.data.encoding import EncodedSample
from domlora.probes.explanation import ExplanationBuilder

LENGTH = 1100
# What `positions` means, written out: the first token alone, then twice as many in each, the last open.
BINS = ((0, 0), (1, 1), (2, 3), (4, 7), (8, 15), (16, 31), (32, 63), (64, 127), (128, 255), (256, 511), (512, 1023),
        (1024, LENGTH - 1))  # fmt: skip


@pytest.fixture
def sample():
    return EncodedSample((5,) * LENGTH, (False,) * 3 + (True,) * (LENGTH - 3), 1)


def explained(sample, energies):
    """What is said of one module with these energies of the sample's tokens."""
    batch = collate([sample], [0], torch.device("cpu"))
    builder = ExplanationBuilder(1, [sample])
    builder.add_rows(torch.tensor([0]), torch.tensor(energies, dtype=torch.float32)[None, None], batch)
    builder.add_peaks([0], torch.ones(1, 1, LENGTH), batch)
    return builder.finish()


@pytest.mark.parametrize("position", [place for ends in BINS for place in dict.fromkeys(ends)])
def test_the_energy_of_a_token_is_in_the_bin_of_its_position(sample, position):
    energies = np.zeros(LENGTH)
    energies[position] = 2.0
    (found,) = explained(sample, energies).positions
    assert list(found) == [float(first <= position <= last) for first, last in BINS]


def test_shares_of_bins_add_up_over_their_tokens(sample):
    energies = np.random.default_rng(0).random(LENGTH)
    (found,) = explained(sample, energies).positions
    wanted = [energies[first : last + 1].sum() / energies.sum() for first, last in BINS]
    assert found == pytest.approx(wanted, rel=1e-5)
