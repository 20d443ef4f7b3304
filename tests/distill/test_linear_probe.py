"""The first classifier of a fine-tuned teacher is scikit-learn's logistic regression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from edgetune.data.pictures import Dataset, Pictures
from edgetune.distill.linear_probe import fit_classifier
from edgetune.distill.teacher import TorchTeacher
from tests.distill.conftest import MakeNetwork, TinyNet


def teacher_of(network: nn.Module, classes: int) -> TorchTeacher:
    names = [f"c{i}" for i in range(classes)]
    return TorchTeacher(network, name="t", classes=names, channels=1, resolution=8, content_hash="", licence="")


@torch.no_grad()
def features_and_logits(network: TinyNet, pictures: Pictures) -> tuple[np.ndarray, np.ndarray]:
    pixels = torch.from_numpy(pictures.images).permute(0, 3, 1, 2).float()
    features = network.features(network.normalize(pixels))
    return features.numpy(), network.eval()(pixels).numpy()


@pytest.mark.parametrize("classes", [2, 4])
def test_it_says_what_scikit_learn_says(
    classes: int, make_network: MakeNetwork, make_dataset: Callable[..., Dataset]
) -> None:
    dataset = make_dataset(classes=classes)
    network = make_network(classes=classes)
    told: list[tuple[str, int, int]] = []
    fit_classifier(teacher_of(network, classes), dataset.train, progress=lambda *args: told.append(args))

    features, _ = features_and_logits(network, dataset.train)
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200)).fit(
        features, dataset.train.labels
    )
    unseen, logits = features_and_logits(network, dataset.test)
    theirs = probe.predict_proba(unseen)
    ours = torch.from_numpy(logits).softmax(1).numpy()
    np.testing.assert_allclose(ours, theirs, atol=0.01)  # its features were bfloat16's where the processor has them
    accuracy = (logits.argmax(1) == dataset.test.labels).mean()
    assert accuracy == pytest.approx(probe.score(unseen, dataset.test.labels), abs=0.01)
    assert accuracy > 0.9
    assert told[-1] == ("linear probe", 256, 256)


def test_nothing_but_the_classifier_changes(make_network: MakeNetwork, dataset: Dataset) -> None:
    network, untouched = make_network(), make_network()
    fit_classifier(teacher_of(network, 4), dataset.train, progress=None)
    changed = [name for name, tensor in network.state_dict().items() if not tensor.equal(untouched.state_dict()[name])]
    assert changed == ["classifier.weight", "classifier.bias"]
    assert not network.classifier._forward_pre_hooks


def test_a_class_without_pictures_is_not_expected(make_network: MakeNetwork, dataset: Dataset) -> None:
    network = make_network(classes=6)
    few = dataset.train.labels != 1
    pictures = Pictures(dataset.train.images[few], dataset.train.labels[few])
    fit_classifier(teacher_of(network, 6), pictures, progress=None)
    _, logits = features_and_logits(network, pictures)
    assert set(logits.argmax(1)) == {0, 2, 3}
    assert (logits.argmax(1) == pictures.labels).mean() > 0.9
