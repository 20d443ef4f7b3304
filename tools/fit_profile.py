"""Fits boards' models to their measurements and writes `model.json` beside them.

python tools/fit_profile.py            # every board
python tools/fit_profile.py rpi4
"""

from __future__ import annotations

import sys

from edgetune.device.profile import list_profiles, load_profile
from edgetune.latency.fit import fit_profile
from edgetune.latency.fitted import write_fitted
from edgetune.latency.known import known_settings
from edgetune.latency.measurements import board_measurements
from edgetune.latency.transfer import Known


def main(name: str, known: list[Known]) -> None:
    profile = load_profile(name)
    models = fit_profile(profile, board_measurements(profile.folder), [k for k in known if k.device != name])
    write_fitted(profile.folder / "model.json", name, models)
    for model in models:
        told = ", ".join(
            f"{split} out: MAPE {e.mape_pct:.1f} %, ±10 % {e.within_10_pct:.0f} %, ρ {e.spearman:.3f}, "
            f"coverage {e.coverage_pct:.0f} %"
            for split, e in model.errors.items()
        )
        print(
            f"{name} {model.setting.label} ({model.measured.networks}): {told}, quantile {model.quantile:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    everything = known_settings()
    for name in sys.argv[1:] or list_profiles():
        main(name, everything)
