"""How good a board's profile is: what `edgetune devices` and `edgetune devices show` print."""

from __future__ import annotations

from typing import Any

from edgetune.device.profile import Profile, list_profiles, load_profile
from edgetune.errors import DeviceError
from edgetune.latency.fitted import read_fitted


def device_rows() -> list[dict[str, Any]]:
    """One row a board: name, title, cores, clock, kind of its latencies, number of fitted settings.

    One whose files are broken hides no other.
    """
    return [_row_or_why_not(name) for name in list_profiles()]


def _row_or_why_not(name: str) -> dict[str, Any]:
    try:
        return device_row(load_profile(name))
    except DeviceError as error:
        empty = {"cores": "", "cpu_mhz": "", "runtimes": [], "settings": 0}
        return {"device": name, "title": str(error), "kind": "unreadable", **empty}


def device_row(profile: Profile) -> dict[str, Any]:
    models = read_fitted(profile.folder / "model.json")
    return {
        "device": profile.name,
        "title": profile.title,
        "cores": f"{profile.cluster.cores}× {profile.cluster.core}",
        "cpu_mhz": profile.cpu_mhz,
        "runtimes": sorted({model.runtime for model in models}),
        "kind": "calibrated" if models else "uncalibrated",
        "settings": len(models),
    }


def describe_device(name: str) -> dict[str, Any]:
    """The data sheet, and for each fitted setting its extent and cross-validated errors.

    Raises
    ------
    DeviceError
        Unknown board, with the nearest name.
    """
    profile = load_profile(name)
    models = read_fitted(profile.folder / "model.json")
    sheet = profile.model_dump(mode="json", exclude={"sources", "folder"})
    return device_row(profile) | {
        "sheet": sheet,
        "sources": profile.sources,
        "models": [model.evidence() for model in models],
    }
