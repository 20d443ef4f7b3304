"""What a search is told: hyper-parameters and the trainings they belong to."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgetune.config import SearchConfig, read_config, scores_of
from edgetune.errors import ConfigError
from edgetune.space.parameters import Choice, Range

TRAINED = "[trial_training]\nepochs = 2\n"
ADAPTS = TRAINED + "[learning]\nadapt = true\n"
RATE = "[hyper_parameters]\nlearning_rate = { low = 0.1, high = 1, widest = %s }\n"


def read(folder: Path, text: str) -> SearchConfig:
    file = folder / "search.toml"
    file.write_text(text)
    return read_config(file, {})


def test_scores_are_named_with_commas(tmp_path: Path) -> None:
    config = read(tmp_path, '[learning]\nscores = "naswot, synflow"\n')
    assert scores_of(config.learning.scores or "", where="") == ("naswot", "synflow")
    for wrong in ("sinflow", "macs", "synflow,", ""):
        with pytest.raises(ConfigError, match=r"learning\.scores: unknown zero-cost score"):
            read(tmp_path, f'[learning]\nscores = "{wrong}"\n')


def test_hyper_parameters_are_choices_and_ranges(tmp_path: Path) -> None:
    text = TRAINED + (
        "[hyper_parameters]\n"
        "learning_rate = { low = 1e-3, high = 0.1, log = true }\n"
        "teacher_weight = { low = 0, high = 1 }\n"
        'optimizer = ["sgd", "adamw"]\n'
        "batch_size = [128, 64]\n"
    )
    config = read(tmp_path, text)
    assert {name: options.parameter(name) for name, options in config.hyper_parameters.named.items()} == {
        "learning_rate": Range("learning_rate", 0.001, 0.1, log=True),
        "optimizer": Choice("optimizer", ("sgd", "adamw")),
        "batch_size": Choice("batch_size", (64, 128)),
        "teacher_weight": Range("teacher_weight", 0.0, 1.0),
    }
    assert SearchConfig.model_validate(config.model_dump(mode="json")) == config


def test_what_a_space_that_adapts_may_widen(tmp_path: Path) -> None:
    text = TRAINED + (
        "[hyper_parameters]\n"
        "learning_rate = { low = 1e-3, high = 0.1, log = true, widest = [1e-4, 1] }\n"
        "batch_size = { values = [128, 64], widest = [32, 64, 128, 256] }\n"
        "ema = [0.0, 0.99]\n"
        "[learning]\nadapt = true\n"
    )
    config = read(tmp_path, text)
    named = config.hyper_parameters.named
    assert {name: options.parameter(name) for name, options in named.items()} == {
        "learning_rate": Range("learning_rate", 0.0001, 1, log=True),
        "batch_size": Choice("batch_size", (32, 64, 128, 256)),
        "ema": Choice("ema", (0.0, 0.99)),
    }
    assert {name: options.pool(name) for name, options in named.items()} == {
        "learning_rate": (0.001, 0.1),
        "batch_size": (64, 128),
        "ema": (),
    }
    assert SearchConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[hyper_parameters]\nema = [0.0, 0.99]\n", "--trial-epochs"),
        (TRAINED + "[hyper_parameters]\nlearning_rat = [0.1]\n", "did you mean learning_rate?"),
        (TRAINED + "[hyper_parameters]\nlearning_rate = { lo = 0.1, high = 1 }\n", "did you mean low?"),
        (TRAINED + "[hyper_parameters]\nlearning_rate = { low = 0.1 }\n", "neither a list of options nor a range"),
        (
            TRAINED + "[hyper_parameters]\nlearning_rate = { low = 0.1, high = 1, values = [1.0] }\n",
            "a list and a range",
        ),
        (TRAINED + "[hyper_parameters]\nlearning_rate = { values = [0.1, 1.0], log = true }\n", "a list and a range"),
        (TRAINED + RATE % "[0.01, 1]", "widest is for a space that adapts (--adapt"),
        (ADAPTS + RATE % "[0.01, 0.5]", "widest has to hold all of it"),
        (ADAPTS + RATE % "[0.01]", "widest = [lowest, highest]"),
        (ADAPTS + RATE % "[1, 0.01]", "no range from 1.0 to 0.01"),
        (ADAPTS + RATE % "[-1, 1]", "greater than 0, not -1"),
        (ADAPTS + RATE % '"wide"', "learning_rate.widest"),
        (ADAPTS + "[hyper_parameters]\nbatch_size = { values = [32, 128], widest = [32, 64, 128] }\n", "in a row"),
        (ADAPTS + "[hyper_parameters]\nbatch_size = { values = [32], widest = [32, 64, 64] }\n", "occurs twice"),
        (ADAPTS + '[hyper_parameters]\noptimizer = { values = ["sgd"], widest = ["sgd", "adamw"] }\n', "widest"),
        (ADAPTS + "reptile = true\n", "reptile is a start of the supernet"),
        ('trial_time_limit = "0s"\n', "trial_time_limit: '0s' is nothing"),
        ('trial_memory_limit = "0GB"\n', "trial_memory_limit: '0GB' is nothing"),
        ('budget = "0min"\n', "budget: '0min' is nothing"),
        (TRAINED + "[hyper_parameters]\nlearning_rate = { low = 1, high = 0.1 }\n", "no range from 1.0 to 0.1"),
        (TRAINED + "[hyper_parameters]\nlearning_rate = { low = 0, high = 1, log = true }\n", "above 0"),
        (TRAINED + "[hyper_parameters]\nlearning_rate = [0.01, -0.1]\n", "greater than 0, not -0.1"),
        (TRAINED + '[hyper_parameters]\noptimizer = ["adam"]\n', "'adamw' or 'sgd', not 'adam'"),
        (TRAINED + "[hyper_parameters]\nbatch_size = { low = 32, high = 128 }\n", "valid integer"),
        (TRAINED + "[hyper_parameters]\nsmoothing = [1.0]\n", "less than 1"),
        (TRAINED + "early_stop = 'sometimes'\n", "'median', 'halving' or 'off'"),
        ("[trial_training]\nlearning_rate = 0.1\n", "trial_training.epochs"),
        ("[int8_training]\nepochs = inf\n", "finite number, not inf"),
        (
            TRAINED + "[hyper_parameters]\nteacher_weight = [0.5]\n[distillation.weights]\nlogits = 1\n",
            "distillation.weights stand in the place",
        ),
        ("[supernet_training]\nin_place = 'sometimes'\n", "supernet_training.in_place: "),
        ("[supernet_training.shrinking]\nkernels = 0.5\n", "did you mean kernel?"),
        ("[supernet_training.shrinking]\ndepth = 1\n", "supernet_training.shrinking.depth: "),
        ("[supernet_training.shrinking]\nwidth = -0.1\n", "greater than or equal to 0"),
    ],
)
def test_what_no_training_takes_is_refused(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert told in str(refused.value)
    assert "search.toml" in str(refused.value)


def test_views_that_are_all_the_same_are_refused(tmp_path: Path) -> None:
    text = "[augmentation]\nviews = 4\nshift = 0\n"
    assert read(tmp_path, text).augmentation.views == 4, "they are mirrored"
    with pytest.raises(ConfigError, match="without shift and flip all views are the same"):
        read(tmp_path, text + "flip = false\n")
