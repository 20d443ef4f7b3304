"""A card that says as little as a card may."""

from __future__ import annotations

from edgetune.export.card import Artefact, Card, Data, Preprocessing, SignOff, Teacher


def plain_card(name: str, *files: str, signed_off: tuple[SignOff, ...] = ()) -> Card:
    """Of ONNX files that go by these names."""
    return Card(
        name=name,
        labels=("a", "b"),
        preprocessing=Preprocessing(channels=1, resolution=2, mean=(0.0,), std=(1.0,)),
        data=Data(name="d", licence="none", content_hash="ab", train=1, validation=1, test=1),
        teacher=Teacher(name="t", licence="none", test_top1=1.0),
        test_top1=1.0,
        latencies=(),
        macs=1,
        parameters=1,
        peak_memory_bytes=1,
        artefacts=tuple(Artefact(format="onnx", file=file) for file in files),
        versions={},
        provenance={},
        signed_off=signed_off,
    )
