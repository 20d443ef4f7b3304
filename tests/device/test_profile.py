"""Profiles: every board's file is whole; wrong names and keys are refused."""

from __future__ import annotations

import tomllib

import pytest
from pydantic import ValidationError

from edgetune.device.profile import Profile, list_profiles, load_profile, profile_folder
from edgetune.errors import DeviceError


@pytest.mark.parametrize("name", list_profiles())
def test_each_profile_loads_and_cites_its_sources(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name and profile.sources
    assert profile.tvm_target["kind"] == "llvm" and profile.tvm_target["mtriple"].endswith(
        ("linux-gnu", "linux-gnueabihf", "linux-android")
    )


def test_an_unknown_device_offers_the_nearest() -> None:
    with pytest.raises(DeviceError, match="did you mean rpi4"):
        load_profile("rpi44")


def test_unknown_keys_are_refused() -> None:
    values = tomllib.loads((profile_folder() / "rpi4" / "profile.toml").read_text()) | {"cache_kb": 1}
    with pytest.raises(ValidationError, match="cache_kb"):
        Profile(name="rpi4", folder=profile_folder() / "rpi4", **values)


def test_the_peak_of_a_pi_4() -> None:
    assert load_profile("rpi4").peak_gmacs("fp32", 4, 1500) == 4 * 4 * 1.5  # 48 GFLOP/s
