"""What the flags of `edgetune search` say of its configuration."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from edgetune.cli.search import BESIDE_RESUME, KEYS, NO_SETTINGS, overrides_of, search
from edgetune.config import SearchConfig, read_config
from edgetune.errors import ConfigError

FLAGS = inspect.signature(search).parameters.keys() - {"context"}


@pytest.mark.parametrize("flag", sorted(FLAGS - NO_SETTINGS))
def test_every_setting_is_a_key_of_the_configuration(flag: str) -> None:
    assert "unknown key" in what_is_wrong_with({"strategie": "?"})
    assert "unknown key" not in what_is_wrong_with({flag: "?"})


def what_is_wrong_with(flags: dict[str, str]) -> str:
    try:
        read_config(None, overrides_of(flags))
    except ConfigError as error:
        return str(error)
    return ""


def test_no_name_is_of_a_flag_that_is_not_there() -> None:
    assert KEYS.keys() | NO_SETTINGS | BESIDE_RESUME <= FLAGS


def test_flags_go_into_their_sections() -> None:
    flags = {
        "trials": 30,
        "max_latency": "5ms",
        "min_accuracy": "90%",
        "trial_epochs": 2.0,
        "adapt": True,
        "library": Path("kept"),
        "out": Path("run"),
        "json": True,
    }
    assert read_config(None, overrides_of(flags)) == SearchConfig.model_validate(
        {
            "trials": 30,
            "limits": {"latency": "5ms", "accuracy": "90%"},
            "trial_training": {"epochs": 2.0},
            "learning": {"adapt": True, "library": "kept"},
        }
    )
