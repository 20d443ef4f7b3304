"""`edgetune measure`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgetune.cli.output import print_json, print_table


def measure(
    models: Annotated[list[Path], typer.Argument(help="ONNX files, or those of another runtime.", show_default=False)],
    agent: Annotated[
        str | None, typer.Option(help="Agents, such as kitchen-pi or pi-1,pi-2; see `edgetune agents`.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="host: this machine.")] = None,
    runtime: Annotated[str | None, typer.Option(help="onnxruntime, tvm or litert. [what the file is for]")] = None,
    threads: Annotated[int, typer.Option(min=1, max=64)] = 1,
    input_shape: Annotated[
        str | None, typer.Option(help="Such as 1x3x224x224, where the file does not say it, as TVM libraries do not.")
    ] = None,
    attempts: Annotated[int, typer.Option(min=1, max=10, help="Tries where the board is disturbed.")] = 3,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a model and board.")] = False,
) -> None:
    """Clock models on a board, or on this machine.

    A figure is the median of single inferences; docs/measuring.md tells how it comes about. One that was disturbed is
    repeated, then marked.
    """
    from edgetune.agent.measure import Request

    request = Request(
        runtime=_known(runtime, models[0]), threads=threads, attempts=attempts, input_shape=_shape(input_shape)
    )
    found, failures = _on_host(models, request) if _is_host(agent, device) else _on_agents(models, agent or "", request)
    _print(found, json=json)
    for failure in failures[:-1]:
        typer.echo(f"error: {failure}", err=True)
    for failure in failures[-1:]:
        raise failure


def _check_files(models: list[Path]) -> None:
    """Before minutes of measurements are lost to a typing error."""
    from edgetune.errors import ModelFileError

    for model in models:
        if not model.is_file():
            raise ModelFileError("there is no such file", where=model)


def _print(found: list[tuple[Path, str, Any]], *, json: bool) -> None:
    if json:
        from pydantic import TypeAdapter

        print_json(
            [{"model": str(m), "on": on, **TypeAdapter(Any).dump_python(one, mode="json")} for m, on, one in found]
        )
        return
    if not found:
        return
    columns = ["model", "on", "median", "90 %", "99 %", "first", "loaded in", "memory", "runs", "is"]
    print_table("", columns, [_cells(*row) for row in found])
    _print_conditions(found)


def _known(runtime: str | None, model: Path) -> str:
    from edgetune.agent.runtimes import RUNTIMES, find_runtime

    fitting = (name for name, one in RUNTIMES.items() if one.suffix == model.suffix)
    return find_runtime(runtime or next(fitting, "onnxruntime")).name


def _shape(text: str | None) -> tuple[int, ...] | None:
    from edgetune.errors import ConfigError

    if text is None:
        return None
    sizes = text.lower().replace("×", "x").split("x")
    if not all(size.isdigit() and int(size) > 0 for size in sizes):
        raise ConfigError(f"{text!r} is not a shape", where="--input-shape", mend="write it like 1x3x224x224")
    return tuple(int(size) for size in sizes)


def _is_host(agent: str | None, device: str | None) -> bool:
    from edgetune.errors import ConfigError

    if (agent is None) == (device is None):
        raise ConfigError("on which board?", mend="give --agent NAME, or --device host")
    if device not in (None, "host"):
        raise ConfigError(f"{device!r} is not at hand", where="--device", mend="--device host, or --agent NAME")
    return device == "host"


def _on_host(models: list[Path], request: Any) -> tuple[list[tuple[Path, str, Any]], list[Exception]]:
    from edgetune.agent.measure import measure as clock
    from edgetune.agent.yardstick import Yardstick
    from edgetune.errors import MeasurementError
    from edgetune.files import cache_folder

    _check_files(models)
    yardstick = Yardstick(cache_folder() / "yardstick.json")
    if not yardstick.known():
        yardstick.survey()
    found: list[tuple[Path, str, Any]] = []
    failures: list[Exception] = []
    for model in models:
        try:
            found.append((model, "host", clock(model, request, yardstick=yardstick)))
        except MeasurementError as error:
            failures.append(error)
    return found, failures


def _on_agents(models: list[Path], names: str, request: Any) -> tuple[list[tuple[Path, str, Any]], list[Exception]]:
    from edgetune.agent.pool import measure_on
    from edgetune.agent.registry import find_agents

    agents = find_agents(names)
    _check_files(models)
    results = measure_on(agents, models, request, say=_note)
    for note in results.notes:
        _note(note)
    found = [(model, name, one) for model in models for name, one in results.measurements[model].items()]
    return found, [results.failures[model] for model in models if model in results.failures]


def _note(text: str) -> None:
    typer.echo(f"note: {text}", err=True)


def _cells(model: Path, on: str, found: Any) -> list[str]:
    timing = found.job.timing
    words = "steady" if found.steady else ", ".join(found.marks)
    return [
        str(model),
        on,
        f"{timing.p50_ms:.4g} ms",
        f"{timing.p90_ms:.4g} ms",
        f"{timing.p99_ms:.4g} ms",
        f"{timing.cold_start_ms:.4g} ms",
        f"{found.job.load_ms:.4g} ms",
        f"{found.job.peak_memory_bytes / 1e6:.0f} MB",
        str(timing.runs),
        f"{found.kind}, {words}",
    ]


def _print_conditions(found: list[tuple[Path, str, Any]]) -> None:
    from edgetune.agent.measurement import MARKS

    for on, one in {on: one for _, on, one in found}.items():
        clock = f", {one.cpu_mhz} MHz" if one.cpu_mhz else ""
        governor = f", governor {one.after.governor}" if one.after.governor else ""
        threads = (
            f"{one.job.threads} thread{'' if one.job.threads == 1 else 's'}{'' if one.job.cores else ', not pinned'}"
        )
        print(f"{on}: {one.board.model}{clock}{governor}, {one.job.runtime} {one.job.runtime_version}, {threads}")
    for mark in sorted({mark for _, _, one in found for mark in one.marks}):
        print(f"{mark}: {MARKS[mark]}")
