"""Tens of thousands of samples a second: a network's features are the sum over its parts, and parts repeat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgetune.latency.builder import INPUT, GraphBuilder
from edgetune.latency.cost_model import Array
from edgetune.latency.features import INDEX, graph_features
from edgetune.latency.from_architecture import add_block, add_head, add_stem
from edgetune.latency.predictor import Predictor
from edgetune.space.architecture import Architecture, Block
from edgetune.space.mobile import MobileSpace
from edgetune.space.parameters import Sample

Key = tuple[Any, ...]


class BatchPredictor:
    """Latencies of many samples of one mobile space, for pictures of one shape; the same figures as `predict` gives."""

    def __init__(
        self, predictor: Predictor, space: MobileSpace, *, channels: int, resolution: int, classes: int
    ) -> None:
        self.predictor, self.space = predictor, space
        self.channels, self.resolution, self.classes = channels, resolution, classes
        self._known: dict[Key, int] = {}
        self._rows: list[Array] = []
        self._labels = [
            (
                f"stage{s}.width",
                f"stage{s}.depth",
                [
                    tuple(
                        f"stage{s}.block{b}.{what}"
                        for what in ("kind", "kernel", "expansion", "activation", "squeeze_excite")
                    )
                    for b in range(1, stage.depths[-1] + 1)
                ],
            )
            for s, stage in enumerate(space.stages, 1)
        ]

    def predict(self, samples: Sequence[Sample]) -> Array:
        """Milliseconds, shape (samples,)."""
        return self.predictor.model.predict(self.features(samples))[0]

    def features(self, samples: Sequence[Sample]) -> Array:
        """Shape (samples, features)."""
        parts: list[int] = []
        starts: list[int] = []
        for sample in samples:
            starts.append(len(parts))
            self._add_parts(sample, parts)
        return np.add.reduceat(np.array(self._rows)[parts], starts, axis=0)

    def _add_parts(self, sample: Sample, parts: list[int]) -> None:
        values, known = sample.values, self._known
        width = values["stem.width"]
        head_activation = values["head.activation"]
        key: Key = ("stem", width, head_activation)
        parts.append(known[key] if key in known else self._learn(key, self._stem))
        for s, (width_label, depth_label, blocks) in enumerate(self._labels):
            out_width = values[width_label]
            for b in range(values[depth_label]):  # type: ignore[arg-type]
                kind_label, kernel_label, expansion, activation, squeeze_excite = blocks[b]
                kind = values[kind_label]
                key = (
                    s, b == 0, width, out_width, kind, values[kernel_label] if kind == "mbconv" else 3,
                    values[expansion], values[activation], values[squeeze_excite],
                )  # fmt: skip
                parts.append(known[key] if key in known else self._learn(key, self._block))
                width = out_width
        key = ("head", width, values["head.width"], head_activation)
        parts.append(known[key] if key in known else self._learn(key, self._head))

    def _learn(self, key: Key, build: Callable[[Key], Array]) -> int:
        self._known[key] = len(self._rows)
        self._rows.append(build(key))
        return self._known[key]

    def _stem(self, key: Key) -> Array:
        _, width, activation = key
        builder = GraphBuilder("stem", (self.channels, self.resolution, self.resolution))
        add_stem(builder, self._frame(width, 8, activation))
        return graph_features(builder.graph(), self.predictor.machine)

    def _block(self, key: Key) -> Array:
        s, first, width, out_width, kind, kernel, expansion, activation, squeeze_excite = key
        stride = self.space.stages[s].stride if first else 1
        side = self._side(s if first else s + 1)
        builder = GraphBuilder("block", (width, side, side))
        add_block(
            builder, INPUT, Block("", kind, width, out_width, stride, kernel, expansion, activation, squeeze_excite)
        )
        return self._inner(builder)

    def _head(self, key: Key) -> Array:
        _, width, head_width, activation = key
        side = self._side(len(self.space.stages))
        builder = GraphBuilder("head", (width, side, side))
        add_head(builder, INPUT, self._frame(width, head_width, activation))
        return self._inner(builder)

    def _inner(self, builder: GraphBuilder) -> Array:
        """Features without the network's own overhead, which the stem's row has."""
        row = graph_features(builder.graph(), self.predictor.machine)
        row[INDEX["network"]] = 0
        return row

    def _frame(self, stem_width: int, head_width: int, activation: Any) -> Architecture:
        return Architecture(
            self.channels, self.resolution, self.classes, stem_width, self.space.stem_stride, (), head_width, activation
        )

    def _side(self, stages: int) -> int:
        """Pixels a side after so many stages."""
        side = -(-self.resolution // self.space.stem_stride)
        for stage in self.space.stages[:stages]:
            side = -(-side // stage.stride)
        return side
