"""Fits boards' models to their measurements and writes `model.json` beside them.

    python -m tools.fit_profile            # every board, and what they have in common
    python -m tools.fit_profile rpi4
    python -m tools.fit_profile host       # this machine, as it was clocked last

A board is fitted under the distribution of the other boards, so that its cross-validated errors owe nothing to itself.
"""

from __future__ import annotations

import argparse

from edgetune.device.profile import Profile, shipped_profiles
from edgetune.latency.fit import MOST, Data, as_known, fit_profile, gather
from edgetune.latency.fitted import Fitted, write_fitted
from edgetune.latency.known import FEWEST
from edgetune.latency.measurements import board_measurements, by_setting
from edgetune.latency.population import learn_population, population, write_population
from edgetune.pipeline.profiling import refit


def main(names: list[str]) -> None:
    if names == ["host"]:
        report("host", refit())
        return
    profiles = {profile.name: profile for profile in shipped_profiles()}
    data = {name: well_measured(profile) for name, profile in profiles.items()}
    if not names:
        write_population(learn_population([(d.features, d.latency) for group in data.values() for d in group]))
        population.cache_clear()
    for name in names or profiles:
        others = [(board, d) for board, group in data.items() if board != name for d in group]
        prior = learn_population([(d.features, d.latency) for _, d in others])
        known = [as_known(board, d, prior) for board, d in others]
        models = fit_profile(profiles[name], board_measurements(profiles[name].folder), prior, known)
        write_fitted(profiles[name].folder / "model.json", name, models)
        for model in models:
            report(name, model)


def report(name: str, model: Fitted) -> None:
    told = ", ".join(
        f"{split} out: MAPE {e.mape_pct:.1f} %, ±10 % {e.within_10_pct:.0f} %, ρ {e.spearman:.3f}, "
        f"coverage {e.coverage_pct:.0f} %"
        for split, e in model.errors.items()
    )
    print(f"{name} {model.setting.label} ({model.measured.networks}): {told}, q {model.quantile:.2f}", flush=True)


def well_measured(profile: Profile) -> list[Data]:
    groups = by_setting(board_measurements(profile.folder)).items()
    return [gather(profile, setting, group[:MOST]) for setting, group in groups if len(group) >= FEWEST]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="*")
    boards = parser.parse_args().boards
    if unknown := set(boards) - {"host", *(profile.name for profile in shipped_profiles())}:
        parser.error(f"no such board: {', '.join(unknown)}")
    main(boards)
