"""A board's fitted models as readable JSON: one for each setting, with what it was fitted on and how good it is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, field_validator

from edgetune.errors import DeviceError, in_one_line
from edgetune.files import atomic_write
from edgetune.latency.cost_model import CostModel, Residual, SizedResidual
from edgetune.latency.ensemble import Ensemble, Member
from edgetune.latency.features import FEATURES
from edgetune.latency.kernel_residual import KernelResidual
from edgetune.latency.setting import Setting

FORMAT = 3


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Errors(Strict):
    """Cross-validated: relative errors in per cent, rank correlation, how often the 90 % interval held."""

    mape_pct: float
    within_10_pct: float
    spearman: float
    coverage_pct: float
    networks: int


class Measured(Strict):
    """The extent of the measurements; ranges as (lowest, highest)."""

    networks: int
    resolution: tuple[int, int]
    mmacs: tuple[float, float]
    latency_ms: tuple[float, float]
    features: tuple[str, ...]


class FittedResidual(Strict):
    """See :class:`edgetune.latency.cost_model.Residual`."""

    anchors: list[list[float]]
    coefficients: list[float]
    sized: bool | None = None

    @classmethod
    def of(cls, residual: Residual) -> FittedResidual:
        anchors = [_rounded(row, 3) for row in residual.anchors]
        sized = True if isinstance(residual, SizedResidual) else None
        return cls(anchors=anchors, coefficients=_rounded(residual.coefficients, 4), sized=sized)

    def as_residual(self) -> Residual:
        return (SizedResidual if self.sized else Residual)(np.array(self.anchors), np.array(self.coefficients))


class FittedKernels(Strict):
    """See :class:`edgetune.latency.kernel_residual.KernelResidual`."""

    anchors: dict[str, list[list[float]]]
    coefficients: dict[str, list[float]]

    @classmethod
    def of(cls, residual: KernelResidual) -> FittedKernels:
        return cls(
            anchors={kind: [_rounded(row, 4) for row in rows] for kind, rows in residual.anchors.items()},
            coefficients={kind: _rounded(row, 4) for kind, row in residual.coefficients.items()},
        )

    def as_residual(self) -> KernelResidual:
        return KernelResidual(
            {kind: np.array(rows) for kind, rows in self.anchors.items()},
            {kind: np.array(row) for kind, row in self.coefficients.items()},
        )


class FittedMember(Strict):
    """One cost model: `factors` multiply data-sheet times; `covariance` is of their logarithms, the lower triangle."""

    origin: str
    weight: float
    factors: dict[str, float]
    covariance: list[list[float]]
    residual: FittedResidual | None = None

    @field_validator("factors")
    @classmethod
    def _has_all(cls, factors: dict[str, float]) -> dict[str, float]:
        if missing := set(FEATURES) - factors.keys():
            raise ValueError(f"no factor of {', '.join(sorted(missing))}")
        return factors

    @classmethod
    def of(cls, member: Member) -> FittedMember:
        model = member.model
        return cls(
            origin=member.origin,
            weight=round(member.weight, 4),
            factors=dict(zip(FEATURES, _rounded(np.exp(model.log_factors), 5), strict=True)),
            covariance=[_rounded(row[: i + 1], 3) for i, row in enumerate(model.covariance)],
            residual=None if model.residual is None else FittedResidual.of(model.residual),
        )

    def as_member(self) -> Member:
        log_factors = np.log([self.factors[name] for name in FEATURES])
        covariance = np.zeros((len(log_factors),) * 2)
        for i, row in enumerate(self.covariance):
            covariance[i, : i + 1] = covariance[: i + 1, i] = row
        residual = None if self.residual is None else self.residual.as_residual()
        return Member(CostModel(log_factors, covariance, residual), self.weight, self.origin)


def _rounded(values: Iterable[float], digits: int) -> list[float]:
    return [float(f"{value:.{digits}g}") if abs(value) > 1e-4 else 0 for value in values]


class Fitted(Strict):
    """The model of one setting; `quantile` scales the spread to a 90 % interval."""

    runtime: str
    version: str
    precision: str
    threads: int
    cpu_mhz: int
    members: list[FittedMember]
    quantile: float
    measured: Measured
    errors: dict[str, Errors]
    kernels: FittedKernels | None = None

    @property
    def setting(self) -> Setting:
        return Setting(self.runtime, self.version, self.precision, self.threads, self.cpu_mhz)  # type: ignore[arg-type]

    def evidence(self) -> dict[str, Any]:
        """What it speaks of, was fitted to and was seen to miss, as JSON; not the numbers that it predicts with."""
        return self.model_dump(mode="json", exclude={"members", "quantile", "kernels"})

    @property
    def ensemble(self) -> Ensemble:
        return Ensemble(tuple(member.as_member() for member in self.members))


def write_fitted(path: Path, device: str, models: list[Fitted]) -> None:
    content = {
        "format": FORMAT,
        "device": device,
        "models": [model.model_dump(mode="json", exclude_none=True) for model in models],
    }
    with atomic_write(path) as aside:
        aside.write_text(_layout(content))


def read_fitted(path: Path) -> list[Fitted]:
    """The models of a board, none if the file is absent.

    Raises
    ------
    DeviceError
        The file is broken or of another version.
    """
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text())
        if content.get("format") != FORMAT:
            raise DeviceError(
                f"model format {content.get('format')}",
                where=path,
                mend=f"this version reads format {FORMAT}: fit it again with edgetune calibrate or edgetune profile",
            )
        return [Fitted(**model) for model in content["models"]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        what = f"the fitted model cannot be read: {in_one_line(error)}"
        raise DeviceError(what, where=path, mend="calibrate or profile the board again") from error


def _layout(content: dict[str, Any]) -> str:
    """JSON with an indented line for each entry and each row of a matrix."""
    rows: list[str] = []

    def shelve(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shelve(entry) for key, entry in value.items()}
        if isinstance(value, list) and value and not isinstance(value[0], dict | list):
            rows.append(json.dumps(value, separators=(",", ":")))
            return f"@{len(rows) - 1}@"
        return [shelve(entry) for entry in value] if isinstance(value, list) else value

    text = json.dumps(shelve(content), indent=1)
    for i, row in enumerate(rows):
        text = text.replace(f'"@{i}@"', row, 1)
    return text + "\n"
