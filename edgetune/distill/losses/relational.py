"""Relational knowledge distillation, RKD (Park 2019)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

EPSILON = 1e-12


def relational_distillation(
    student: Tensor, teacher: Tensor, *, distance_weight: float = 25.0, angle_weight: float = 50.0
) -> Tensor:
    """Distances between pairs and angles between triples of pictures, as the teacher has them (section 3.2).

    Huber's loss of both; the weights are the paper's for classification. Memory grows with N³.

    Parameters
    ----------
    student, teacher
        Embeddings, (N, D) with any D.
    """
    with torch.no_grad():
        distances, angles = _distances(teacher), _angles(teacher)
    apart = functional.smooth_l1_loss(_distances(student), distances)
    turned = functional.smooth_l1_loss(_angles(student), angles)
    return distance_weight * apart + angle_weight * turned


def _distances(embedding: Tensor) -> Tensor:
    """Euclidean distances of all pairs over their mean, (N, N)."""
    squared = (embedding[:, None] - embedding[None]).pow(2).sum(2)
    distances = squared.clamp(min=EPSILON).sqrt() * (1 - torch.eye(len(embedding), device=embedding.device))
    return distances / distances[distances > 0].mean()


def _angles(embedding: Tensor) -> Tensor:
    """Cosines of the angle that any two pictures make at a third, (N, N, N)."""
    directions = functional.normalize(embedding[None] - embedding[:, None], dim=2)
    return torch.bmm(directions, directions.transpose(1, 2))
