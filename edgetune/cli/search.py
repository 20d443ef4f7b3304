"""`edgetune search`"""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

LIMITS, TRAINING, FILES, LEARNING, WORKERS = "Hard limits", "How much work", "Files", "Learning and telling", "Workers"


def search(
    device: Annotated[
        str | None, typer.Option(help="The board to search for; see `edgetune devices`. \\[rpi4]")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="fashion-mnist, cifar10, digits, or a folder of class folders. \\[fashion-mnist]")
    ] = None,
    resolution: Annotated[int | None, typer.Option(help="Pixels a side; by default what suits the pictures.")] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="A folder (ours, or transformers'), an ONNX file, package.module:name; or one is trained."),
    ] = None,
    init_teacher: Annotated[
        str | None, typer.Option(help="A checkpoint of other classes to fine-tune a teacher from.")
    ] = None,
    max_latency: Annotated[str | None, typer.Option(help="Such as 5ms.", rich_help_panel=LIMITS)] = None,
    max_size: Annotated[str | None, typer.Option(help="Of the weights, such as 500kB.", rich_help_panel=LIMITS)] = None,
    max_memory: Annotated[
        str | None, typer.Option(help="Of weights and activations, such as 8MB.", rich_help_panel=LIMITS)
    ] = None,
    min_accuracy: Annotated[
        str | None, typer.Option(help="Top-1 on the validation split, such as 0.9 or 90%.", rich_help_panel=LIMITS)
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="guided, nsga2, bayesian, regularized-evolution, grid, random. \\[guided]", rich_help_panel=TRAINING
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Networks to judge. [120]", rich_help_panel=TRAINING)] = None,
    trial_epochs: Annotated[
        float | None,
        typer.Option(
            help="Train each network apart for so many epochs to judge it, instead of a supernet for all.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    finalists: Annotated[
        int | None, typer.Option(help="Networks to train in full. [8]", rich_help_panel=TRAINING)
    ] = None,
    int8_epochs: Annotated[
        float | None,
        typer.Option(
            help="Fine-tune a finalist whose INT8 file loses too much, with its rounding, for so many epochs.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Train as long as this leaves time for, such as 30min.", rich_help_panel=TRAINING)
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="Where trials are judged: in-process, processes, ray. \\[in-process]", rich_help_panel=WORKERS
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Trials at once. [a processor each]", rich_help_panel=WORKERS),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Of a Ray cluster: auto, HOST:6379. [one of this machine]", rich_help_panel=WORKERS),
    ] = None,
    trial_time_limit: Annotated[
        str | None, typer.Option(help="A longer trial has failed, such as 5min.", rich_help_panel=WORKERS)
    ] = None,
    trial_memory_limit: Annotated[
        str | None, typer.Option(help="A trial that takes more has failed, such as 4GB.", rich_help_panel=WORKERS)
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            help="Of onnx, int8, tvm, tflite. [the first three; tflite too once it was asked for on this machine]",
            rich_help_panel=FILES,
        ),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            help="Clock the finalists on boards too, such as kitchen-pi; see `edgetune agents`.", rich_help_panel=FILES
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same run on one machine. [0]")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file; flags override it.", rich_help_panel=FILES)] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run folder. \\[runs/DATA-DEVICE-N]", rich_help_panel=FILES)
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with a run that was stopped.", rich_help_panel=FILES)
    ] = None,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="Freeze settled choices as it goes.", rich_help_panel=LEARNING)
    ] = False,
    warm_start: Annotated[
        str | None,
        typer.Option(help="auto, off, or a run folder: begin with what is known. \\[off]", rich_help_panel=LEARNING),
    ] = None,
    reptile: Annotated[
        bool,
        typer.Option(
            "--reptile", help="Learn the supernet's start over the library's data sets.", rich_help_panel=LEARNING
        ),
    ] = False,
    library: Annotated[
        Path | None,
        typer.Option(help="Where finished studies are kept for warm starts.", rich_help_panel=LEARNING),
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve metrics for Prometheus on 127.0.0.1.", rich_help_panel=LEARNING)
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(help="Post the summary to this https address at the end.", rich_help_panel=LEARNING)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the front as JSON.")] = False,
) -> None:
    """Find a Pareto set of small networks for a board.

    A supernet is trained with the teacher's outputs, networks of it are judged in turn for accuracy and predicted
    latency, the best are distilled in full, tested, exported and checked. Stopped with Ctrl-C, a run goes on with
    --resume and loses no finished trial.
    """
    overrides: dict[str, Any] = {
        "device": device,
        "data": data,
        "resolution": resolution,
        "teacher": teacher,
        "init_teacher": init_teacher,
        "strategy": strategy,
        "seed": seed,
        "trials": trials,
        "trial_training": None if trial_epochs is None else {"epochs": trial_epochs},
        "finalists": finalists,
        "int8_training": None if int8_epochs is None else {"epochs": int8_epochs},
        "budget": budget,
        "engine": engine,
        "workers": workers,
        "address": address,
        "trial_time_limit": trial_time_limit,
        "trial_memory_limit": trial_memory_limit,
        "formats": formats,
        "agent": agent,
        "limits": {"latency": max_latency, "size": max_size, "memory": max_memory, "accuracy": min_accuracy},
        "learning": {
            "adapt": adapt or None,
            "warm_start": warm_start,
            "reptile": reptile or None,
            "library": library and str(library),
        },
    }
    from edgetune.cli.front_table import print_front
    from edgetune.cli.output import print_json, progress_reporter
    from edgetune.config import read_config
    from edgetune.errors import ConfigError, WebhookError
    from edgetune.report.webhook import check_webhook, post, without_address

    if resume:
        overrides.pop("address")  # where the workers are is no setting of what is searched for
        given = [
            config,
            out,
            *overrides.pop("limits").values(),
            *overrides.pop("learning").values(),
            *overrides.values(),
        ]
        if any(value is not None for value in given):
            raise ConfigError(
                "a run goes on with the settings it was started with",
                where="--resume",
                mend="leave the other flags out, but for --address",
            )
    settings = read_config(config, {} if resume else overrides)
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
