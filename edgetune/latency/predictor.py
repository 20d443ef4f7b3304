"""The latency of networks on a board, with a 90 % interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgetune.device.profile import Profile, load_profile
from edgetune.errors import DeviceError, nearest
from edgetune.latency.cost_model import CostModel
from edgetune.latency.ensemble import Ensemble
from edgetune.latency.features import FEATURES, INDEX, Machine, features_of, kernel_matrix, machine_of, summed
from edgetune.latency.fitted import Fitted, read_fitted
from edgetune.latency.graph import Graph, Precision
from edgetune.latency.part_names import PART_NAMES
from edgetune.latency.population import population
from edgetune.latency.prediction import KernelCost, Prediction, ResultKind
from edgetune.latency.setting import Setting, parse_precision, parse_runtime, runtime_label, version_key

Array = NDArray[np.float64]

PER_OCTAVE = 0.1
"""Extra spread for each doubling of resolution or MACs beyond what was measured."""
RESCALED = 0.33
"""Extra spread where threads, clock or precision are not those measured: the data sheet's ratio is used. So wide, 90 %
of the networks lie within where one measured setting is predicted from another of its runtime (54 pairs of the
boards)."""
RELEVANT = 0.02
"""A part that was never measured is worth a warning from this share of the latency on."""


@dataclass(frozen=True)
class Predictor:
    """Predicts in one setting of one board; made by :meth:`load`."""

    profile: Profile
    setting: Setting
    fitted: Fitted | None

    @classmethod
    def load(
        cls,
        device: str,
        *,
        runtime: str | None = None,
        precision: str = "fp32",
        threads: int | None = None,
        cpu_mhz: int | None = None,
    ) -> Predictor:
        """The predictor of a board.

        Parameters
        ----------
        runtime
            A name or a name with a version, `tflite-2.7.1`; without a version the newest measured. Default: the
            profile's.
        threads, cpu_mhz
            Default: as measured; other values are scaled by the data sheet.

        Raises
        ------
        DeviceError
            Unknown board, or a version of the runtime that was not measured on it.
        ConfigError
            Unknown runtime or precision, or threads or a clock that no board has.
        """
        profile = load_profile(device)
        name, version = parse_runtime(runtime or profile.default_runtime)
        wanted = parse_precision(precision)
        models = read_fitted(profile.folder / "model.json")
        same = [model for model in models if model.runtime == name and model.precision == wanted]
        if not same and wanted == "fp16" and not profile.has_half_precision:
            same = [model for model in models if model.runtime == name and model.precision == "fp32"]
        if not same:
            setting = Setting(name, version, wanted, profile.default_threads, profile.cpu_mhz)
            return cls(profile, _asked(setting, wanted, threads, cpu_mhz), None)
        candidates = [model for model in same if version in ("", model.version)]
        if not candidates:
            measured = sorted({runtime_label(m.runtime, m.version) for m in same})
            raise DeviceError(
                f"{name} {version} was not measured in {wanted}", where=device, mend=nearest(runtime or "", measured)
            )
        # The newest version, unless another one was measured nearer to the threads and clock asked for.
        candidates.sort(key=lambda model: version_key(model.version), reverse=True)
        fitted = min(candidates, key=lambda model: _distance(model, threads or profile.default_threads, cpu_mhz))
        return cls(profile, _asked(fitted.setting, wanted, threads, cpu_mhz), fitted)

    @property
    def kind(self) -> ResultKind:
        return "calibrated" if self.fitted else "uncalibrated"

    @cached_property
    def machine(self) -> Machine:
        machine = machine_of(self.profile, self.setting)
        kernels = self.fitted.kernels if self.fitted else None
        return machine if kernels is None else replace(machine, correction=kernels.as_residual())

    @cached_property
    def model(self) -> Ensemble:
        return self.fitted.ensemble if self.fitted else Ensemble.of(CostModel.from_prior(population()), "all boards")

    def predict(self, graph: Graph) -> Prediction:
        """With the cost of each kernel."""
        matrix = kernel_matrix(graph, self.machine)
        features = summed(matrix, self.machine)
        (prediction,) = self._predictions([graph], features[None])
        total = prediction.latency_ms
        costs = self.model.kernel_costs(matrix) * (total / self.model.kernel_costs(features))
        rows = [("runtime overhead", "overhead", (0, 0, 0), 0, total - float(costs.sum()))]
        rows += [(k.name, k.kind, k.output, k.macs, float(cost)) for k, cost in zip(graph.kernels, costs, strict=True)]
        return replace(prediction, kernels=tuple(KernelCost(*row, share=row[-1] / total) for row in rows))

    def predict_many(self, graphs: Sequence[Graph]) -> list[Prediction]:
        """Without the kernels, for many networks at once."""
        if not graphs:
            return []
        return self._predictions(graphs, features_of(graphs, self.machine))

    def _predictions(self, graphs: Sequence[Graph], features: Array) -> list[Prediction]:
        latency, low, high = self.intervals(features, np.array([self.distance(graph) for graph in graphs]))
        return [
            Prediction(
                network=graph.name,
                latency_ms=float(latency[i]),
                interval_ms=(float(low[i]), float(high[i])),
                kind=self.kind,
                device=self.profile.name,
                runtime=self.setting.runtime,
                runtime_version=self.setting.version,
                precision=self.setting.precision,
                threads=self.setting.threads,
                cpu_mhz=self.setting.cpu_mhz,
                warnings=tuple(self.warnings(graph, features[i])),
            )
            for i, graph in enumerate(graphs)
        ]

    def intervals(self, features: Array, distance: Array) -> tuple[Array, Array, Array]:
        """Latency, lower and upper end for features of shape (networks, features) and their :meth:`distance`."""
        latency, spread = self.model.predict(features)
        quantile = self.fitted.quantile if self.fitted else 1.645
        width = np.exp(np.hypot(quantile * spread, 1.645 * distance))
        return latency, latency / width, latency * width

    def distance(self, graph: Graph) -> float:
        """Extra spread for what lies outside the measurements."""
        if self.fitted is None:
            return 0.0
        measured = self.fitted.measured
        octaves = _octaves(graph.input[1], measured.resolution) + _octaves(graph.macs / 1e6, measured.mmacs)
        rescaled = len(list(self._rescaled()))
        return PER_OCTAVE * octaves + RESCALED * rescaled

    def warnings(self, graph: Graph, features: Array) -> Iterable[str]:
        """What a reader of the figure has to know, one sentence each."""
        yield from graph.notes
        what = f"{self.setting.runtime} in {self.setting.precision}"
        if self.fitted is None:
            yield f"{what} was not measured on {self.profile.name}: from the data sheet"
            return
        measured = self.fitted.measured
        for extent, value, (low, high), unit in (
            ("input", graph.input[1], measured.resolution, "pixels"),
            ("work", graph.macs / 1e6, measured.mmacs, "million MACs"),
        ):
            if not low <= value <= high:
                yield f"{extent} outside the {_number(low)} to {_number(high)} {unit} that were measured: extrapolated"
        yield from self._rescaled()
        costs = self.model.feature_costs(features)
        limit = RELEVANT * costs.sum()
        unseen = [PART_NAMES[name] for name in FEATURES if costs[INDEX[name]] > limit and name not in measured.features]
        if unseen:
            yield f"never measured with {what} on {self.profile.name}, taken from other boards: {', '.join(unseen)}"

    def _rescaled(self) -> Iterable[str]:
        """What of the setting is not as measured."""
        setting, fitted = self.setting, self.fitted
        if fitted is None:
            return
        if setting.threads != fitted.threads:
            yield f"threads: measured at {fitted.threads}, scaled to {setting.threads} by the data sheet"
        if setting.cpu_mhz != fitted.cpu_mhz:
            yield f"clock: measured at {fitted.cpu_mhz} MHz, scaled to {setting.cpu_mhz} MHz by the data sheet"
        if setting.precision != fitted.precision:
            core = self.profile.cluster.core
            yield f"precision: {core} has no {setting.precision} arithmetic, as in {fitted.precision}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _asked(setting: Setting, precision: Precision, threads: int | None, cpu_mhz: int | None) -> Setting:
    return replace(
        setting,
        precision=precision,
        threads=setting.threads if threads is None else threads,
        cpu_mhz=setting.cpu_mhz if cpu_mhz is None else cpu_mhz,
    )


def _distance(model: Fitted, threads: int, cpu_mhz: int | None) -> tuple[int, int]:
    return abs(model.threads - threads), 0 if cpu_mhz is None else abs(model.cpu_mhz - cpu_mhz)


def _octaves(value: float, measured: tuple[float, float]) -> float:
    low, high = measured
    return float(np.log2(max(low / max(value, 1e-9), value / high, 1.0)))
