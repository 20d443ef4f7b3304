"""`edgetune search`"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

option = typer.Option
limit = partial(typer.Option, rich_help_panel="Hard limits")
work = partial(typer.Option, rich_help_panel="How much work")
worker = partial(typer.Option, rich_help_panel="Workers")
file = partial(typer.Option, rich_help_panel="Files")
learning = partial(typer.Option, rich_help_panel="Learning and telling")

KEYS = {
    "max_latency": "limits.latency",
    "max_size": "limits.size",
    "max_memory": "limits.memory",
    "max_macs": "limits.macs",
    "min_accuracy": "limits.accuracy",
    "trial_epochs": "trial_training.epochs",
    "int8_epochs": "int8_training.epochs",
    "adapt": "learning.adapt",
    "warm_start": "learning.warm_start",
    "reptile": "learning.reptile",
    "library": "learning.library",
}
"""In the configuration, of the flags that have another name there."""
NO_SETTINGS = {"config", "out", "resume", "metrics_port", "webhook", "json"}
"""Flags that are no part of the configuration."""
BESIDE_RESUME = {"resume", "address", "metrics_port", "webhook", "json"}
"""Where the workers are is no setting of what is searched for."""


def search(
    context: typer.Context,
    device: Annotated[str | None, option(help="The board to search for; see `edgetune devices`. \\[rpi4]")] = None,
    data: Annotated[
        str | None, option(help="fashion-mnist, cifar10, digits, or a folder of class folders. \\[fashion-mnist]")
    ] = None,
    resolution: Annotated[int | None, option(help="Pixels a side; by default what suits the pictures.")] = None,
    teacher: Annotated[
        str | None,
        option(help="A folder (ours, or transformers'), an ONNX file, package.module:name; or one is trained."),
    ] = None,
    init_teacher: Annotated[
        str | None, option(help="A checkpoint of other classes to fine-tune a teacher from.")
    ] = None,
    max_latency: Annotated[str | None, limit(help="Such as 5ms.")] = None,
    max_size: Annotated[str | None, limit(help="Of the weights, such as 500kB.")] = None,
    max_memory: Annotated[str | None, limit(help="Of weights and activations, such as 8MB.")] = None,
    max_macs: Annotated[str | None, limit(help="Multiply-accumulates for a picture, such as 10M.")] = None,
    min_accuracy: Annotated[str | None, limit(help="Top-1 on the validation split, such as 0.9 or 90%.")] = None,
    strategy: Annotated[
        str | None, work(help="guided, nsga2, bayesian, regularized-evolution, grid, random. \\[guided]")
    ] = None,
    trials: Annotated[int | None, work(help="Networks to judge. [120]")] = None,
    trial_epochs: Annotated[
        float | None,
        work(help="Train each network apart for so many epochs to judge it, instead of a supernet for all."),
    ] = None,
    finalists: Annotated[int | None, work(help="Networks to train in full. [8]")] = None,
    int8_epochs: Annotated[
        float | None,
        work(help="Fine-tune a finalist whose INT8 file loses too much, with its rounding, for so many epochs."),
    ] = None,
    budget: Annotated[str | None, work(help="Train as long as this leaves time for, such as 30min.")] = None,
    engine: Annotated[
        str | None, worker(help="Where trials are judged: in-process, processes, ray. \\[in-process]")
    ] = None,
    workers: Annotated[int | None, worker(help="Trials at once. [a processor each]")] = None,
    address: Annotated[str | None, worker(help="Of a Ray cluster: auto, HOST:6379. [one of this machine]")] = None,
    trial_time_limit: Annotated[str | None, worker(help="A longer trial has failed, such as 5min.")] = None,
    trial_memory_limit: Annotated[str | None, worker(help="A trial that takes more has failed, such as 4GB.")] = None,
    formats: Annotated[
        str | None,
        file(help="Of onnx, int8, tvm, tflite. [the first three; tflite too once it was asked for on this machine]"),
    ] = None,
    agent: Annotated[
        str | None, file(help="Clock the finalists on boards too, such as kitchen-pi; see `edgetune agents`.")
    ] = None,
    seed: Annotated[int | None, option(help="The same seed gives the same run on one machine. [0]")] = None,
    config: Annotated[Path | None, file(help="A TOML file; flags override it.")] = None,
    out: Annotated[Path | None, file(help="The run folder. \\[runs/DATA-DEVICE-N]")] = None,
    resume: Annotated[Path | None, file(help="Go on with a run that was stopped.")] = None,
    adapt: Annotated[bool, learning("--adapt", help="Freeze settled choices as it goes.")] = False,
    warm_start: Annotated[
        str | None, learning(help="auto, off, or a run folder: begin with what is known. \\[off]")
    ] = None,
    reptile: Annotated[
        bool, learning("--reptile", help="Learn the supernet's start over the library's data sets.")
    ] = False,
    library: Annotated[Path | None, learning(help="Where finished studies are kept for warm starts.")] = None,
    metrics_port: Annotated[int | None, learning(help="Serve metrics for Prometheus on 127.0.0.1.")] = None,
    webhook: Annotated[str | None, learning(help="Post the summary to this https address at the end.")] = None,
    json: Annotated[bool, option("--json", help="Print the front as JSON.")] = False,
) -> None:
    """Find a Pareto set of small networks for a board.

    A supernet is trained with the teacher's outputs, networks of it are judged in turn for accuracy and predicted
    latency, the best are distilled in full, tested, exported and checked. Stopped with Ctrl-C, a run goes on with
    --resume and loses no finished trial. Under torchrun its processes train the teacher together.
    """
    if os.environ.get("RANK", "0") != "0":
        from edgetune.distill.together import is_helper
        from edgetune.pipeline.helping import help_search

        if is_helper():
            help_search()
            return
    from edgetune.cli.front_table import print_front
    from edgetune.cli.output import print_json, progress_reporter
    from edgetune.config import read_config
    from edgetune.errors import ConfigError, WebhookError
    from edgetune.report.webhook import check_webhook, post, without_address

    flags = {name: value for name, value in context.params.items() if value is not None and value is not False}
    if resume and flags.keys() - BESIDE_RESUME:
        raise ConfigError(
            "a run goes on with the settings it was started with",
            where="--resume",
            mend="leave the other flags out, but for --address",
        )
    settings = read_config(config, {} if resume else overrides_of(flags))
    if webhook is not None:
        check_webhook(webhook)

    from edgetune.agent.registry import find_agents
    from edgetune.insight.metrics import check_port, serve_metrics
    from edgetune.pipeline.search import resume as go_on
    from edgetune.pipeline.search import start
    from edgetune.report.front import front_json

    if metrics_port is not None:
        check_port(metrics_port)
    with progress_reporter() as bars, ExitStack() as while_running:
        command = shlex.join(["edgetune", *without_address(sys.argv[1:])])
        run = go_on(resume, bars, address=address) if resume else start(settings, out, bars, command=command)
        bars.say(f"run folder: {run.folder.path}")
        if metrics_port is not None:
            agents = find_agents(run.config.agent) if run.config.agent else []
            port = while_running.enter_context(serve_metrics(run.folder.study, metrics_port, agents))
            bars.say(f"metrics: http://127.0.0.1:{port}/metrics")
        try:
            summary = run.finish()
        except KeyboardInterrupt:
            bars.say(f"stopped; go on with: edgetune search --resume {run.folder.path}")
            raise typer.Exit(130) from None
        if webhook is not None:
            try:
                post(webhook, summary.to_json().encode())
            except WebhookError as error:  # the run itself went well
                bars.say(f"warning: {error}")
    if json:
        print_json(front_json(summary))
    else:
        print_front(summary, run.folder.path)


def overrides_of(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that were given, as the configuration has them."""
    overrides: dict[str, Any] = {}
    for name, value in flags.items():
        if name not in NO_SETTINGS:
            section, _, key = KEYS.get(name, name).rpartition(".")
            into = overrides.setdefault(section, {}) if section else overrides
            into[key] = str(value) if isinstance(value, Path) else value
    return overrides
