"""What the profiles know: every well-measured setting of every board, as proposals for new ones."""

from __future__ import annotations

from collections.abc import Iterable

from edgetune.device.profile import load_profile, shipped_profiles
from edgetune.latency.fit import MOST, as_known, gather
from edgetune.latency.measurements import board_measurements, by_setting
from edgetune.latency.population import population
from edgetune.latency.stored_graphs import profile_reader
from edgetune.latency.transfer import Known

FEWEST = 8
"""Networks below which a setting is no example to others."""


def known_settings(devices: Iterable[str] | None = None) -> list[Known]:
    """Of the boards named, as they came and as they were calibrated since, or of all that come with edgetune.

    Raises
    ------
    DeviceError
        Unknown board.
    DataError
        A network that was measured is no longer known.
    """
    found = []
    shipped = shipped_profiles()
    named = None if devices is None else [load_profile(name) for name in devices]
    own = [] if named is None else [p for p in named if p.folder not in {s.folder for s in shipped}]
    wanted = {p.name for p in (shipped if named is None else named)}
    for profile in (*own, *(p for p in shipped if p.name in wanted)):
        read = profile_reader(profile.folder)
        for setting, group in by_setting(board_measurements(profile.folder)).items():
            if len(group) >= FEWEST:
                found.append(as_known(profile.name, gather(profile, setting, group[:MOST], read), population()))
    return found
