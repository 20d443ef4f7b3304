"""Fits a board's models to its measurements and writes `model.json` beside them.

python tools/fit_profile.py rpi4
"""

from __future__ import annotations

import sys

from edgetune.device.profile import load_profile
from edgetune.latency.fit import fit_profile
from edgetune.latency.fitted import write_fitted
from edgetune.latency.measurements import read_measurements


def main(name: str) -> None:
    profile = load_profile(name)
    models = fit_profile(profile, read_measurements(profile.folder / "measurements.csv"))
    write_fitted(profile.folder / "model.json", name, models)
    for model in models:
        told = ", ".join(
            f"{split} out: MAPE {e.mape_pct:.1f} %, ±10 % {e.within_10_pct:.0f} %, ρ {e.spearman:.3f}, "
            f"coverage {e.coverage_pct:.0f} %"
            for split, e in model.errors.items()
        )
        print(f"{model.setting.label}: {told}, quantile {model.quantile:.2f}")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        main(name)
