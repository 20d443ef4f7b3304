"""What the profiles know: every well-measured setting of every board, as proposals for new ones."""

from __future__ import annotations

from collections.abc import Iterable

from edgetune.device.profile import list_profiles, load_profile
from edgetune.latency.fit import as_known, gather
from edgetune.latency.measurements import by_setting, read_measurements
from edgetune.latency.transfer import Known

FEWEST = 8
"""Networks below which a setting is no example to others."""


def known_settings(devices: Iterable[str] | None = None) -> list[Known]:
    """Of the boards named, or of all.

    Raises
    ------
    DeviceError
        Unknown board.
    """
    found = []
    for name in list_profiles() if devices is None else devices:
        profile = load_profile(name)
        path = profile.folder / "measurements.csv"
        if path.exists():
            for setting, group in by_setting(read_measurements(path)).items():
                if len(group) >= FEWEST:
                    found.append(as_known(name, gather(profile, setting, group)))
    return found
