"""Mixup and CutMix: every pixel and every share can be told where it came from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, kstest
from torch.nn import functional

from edgetune.distill.losses.logits import logit_distillation
from edgetune.distill.mixing import mix

seeds = st.integers(0, 10_000)


def batch(n: int, side: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Each picture is filled with its own number, its class is its number."""
    pixels = torch.arange(n).float().view(-1, 1, 1, 1).expand(n, 2, side, side)
    return pixels, torch.arange(n), 4 * torch.randn(n, n, generator=torch.Generator().manual_seed(n))


@given(seeds, st.integers(2, 8), st.integers(2, 9), st.floats(0.1, 2))
def test_mixup_blends_pictures_and_shares_alike(seed: int, n: int, side: int, alpha: float) -> None:
    pixels, labels, logits = batch(n, side)
    mixed, shares, _ = mix(pixels, labels, logits, np.random.default_rng(seed), mixup=alpha, cutmix=0, classes=n)
    torch.testing.assert_close(
        mixed, (shares @ labels.float()).view(-1, 1, 1, 1).expand_as(mixed), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(shares.sum(1), torch.ones(n))
    torch.testing.assert_close(shares.sum(0), torch.ones(n))  # every picture is once a partner


@given(seeds, st.integers(2, 8), st.integers(2, 9), st.floats(0.1, 2))
def test_cutmix_pastes_a_rectangle_of_the_share_it_says(seed: int, n: int, side: int, alpha: float) -> None:
    pixels, labels, _ = batch(n, side)
    mixed, shares, none = mix(pixels, labels, None, np.random.default_rng(seed), mixup=0, cutmix=alpha, classes=n)
    assert none is None
    for row, (picture, share) in enumerate(zip(mixed, shares, strict=True)):
        values, counts = picture[0].unique(return_counts=True)
        found = torch.zeros(n).index_add(0, values.long(), counts / side**2)
        torch.testing.assert_close(found, share)
        foreign = (picture[0] != row).nonzero()
        if len(foreign):
            height, width = (foreign.max(0).values - foreign.min(0).values + 1).tolist()
            assert height * width == len(foreign)
    assert torch.equal(pixels, batch(n, side)[0]), "the batch itself is left alone"


@given(seeds, st.integers(2, 6), st.floats(0.5, 8))
def test_the_teachers_probabilities_are_mixed_as_the_labels(seed: int, n: int, temperature: float) -> None:
    pixels, labels, logits = batch(n, 4)
    _, shares, mixed = mix(pixels, labels, logits, np.random.default_rng(seed), mixup=1, cutmix=0, classes=n)
    assert mixed is not None
    torch.testing.assert_close(mixed.softmax(1), shares @ logits.softmax(1), rtol=1e-4, atol=1e-6)
    assert torch.isfinite(logit_distillation(torch.zeros(n, n), mixed, temperature))


def test_labels_in_shares_give_the_mixed_loss() -> None:
    """λ times the loss with the own label plus 1 - λ times that with the partner's (Zhang 2018, section 2)."""
    pixels, labels, _ = batch(6, 4)
    _, shares, _ = mix(pixels, labels, None, np.random.default_rng(3), mixup=1, cutmix=0, classes=6)
    student = torch.randn(6, 6)
    each = functional.cross_entropy(student.repeat_interleave(6, 0), labels.repeat(6), reduction="none").view(6, 6)
    torch.testing.assert_close(functional.cross_entropy(student, shares), (shares * each).sum(1).mean())


def test_shares_are_drawn_from_beta_and_a_coin_decides_between_both() -> None:
    pixels, labels, _ = batch(2, 50)
    rng = np.random.default_rng(0)

    def drawn(**alphas: float) -> tuple[np.ndarray, np.ndarray]:
        results = [mix(pixels, labels, None, rng, classes=2, **alphas)[:2] for _ in range(400)]
        moved = [(shares[0, 0].item(), len(mixed[0].unique()) > 1) for mixed, shares in results if shares[0, 1] > 0]
        return np.array([share for share, _ in moved]), np.array([cut for _, cut in moved])

    shares, cut = drawn(mixup=0.4, cutmix=0)
    assert not cut.any() and kstest(shares, beta(0.4, 0.4).cdf).pvalue > 0.001
    _, cut = drawn(mixup=0.4, cutmix=1.0)
    assert 0.3 < cut.mean() < 0.7


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.2, 0.0), (0.0, 1.0)])
def test_the_stream_decides_alone(mixup: float, cutmix: float) -> None:
    first, again, other = (
        mix(*batch(5, 6), np.random.default_rng(seed), mixup=mixup, cutmix=cutmix, classes=5) for seed in (1, 1, 2)
    )
    assert all(map(torch.equal, first, again))  # type: ignore[arg-type]
    assert not torch.equal(first[0], other[0]) or not torch.equal(first[1], other[1])
