"""`edgetune devices`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from edgetune.cli.output import print_json, print_table

app = typer.Typer(help="The boards that edgetune knows, and how well.", invoke_without_command=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def devices(context: typer.Context, json: Json = False) -> None:
    """List the boards; `edgetune devices show NAME` tells all about one."""
    if context.invoked_subcommand is None:
        list_devices(json)


@app.command("list")
def list_devices(json: Json = False) -> None:
    """List the boards."""
    from edgetune.latency.quality import device_rows

    rows = device_rows()
    if json:
        print_json(rows)
    else:
        columns = ["device", "board", "cores", "MHz", "latencies are", "runtimes"]
        cells = (
            [row["device"], row["title"], row["cores"], str(row["cpu_mhz"]), row["kind"], ", ".join(row["runtimes"])]
            for row in rows
        )
        print_table("", columns, cells)


@app.command()
def show(name: str, json: Json = False) -> None:
    """Show a board's data sheet, what its latencies were fitted on, and how good they are.

    Errors are cross-validated: "width" leaves out a network's width with all its resolutions, "family" a whole family.
    """
    from edgetune.latency.quality import describe_device

    device = describe_device(name)
    if json:
        print_json(device)
        return
    sheet = device["sheet"]
    print(f"{device['title']}: {sheet['soc']}, {device['cores']} at {device['cpu_mhz']} MHz, {sheet['memory']['kind']}")
    print(f"default: {sheet['default_runtime']}, {sheet['default_threads']} threads; latencies are {device['kind']}\n")
    columns = [
        "runtime",
        "precision",
        "threads",
        "MHz",
        "networks",
        "left out",
        "error (MAPE)",
        "within ±10 %",
        "in the 90 % interval",
    ]
    print_table("Fitted on measurements of the board", columns, _quality_rows(device["models"]))
    for runtime, known in sheet["unmeasured"].items():
        print(f"{runtime}: {known}")
    for what, source in device["sources"].items():
        print(f"{what}: {source}")


def _quality_rows(models: list[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for model in models:
        head = [
            f"{model['runtime']} {model['version']}",
            model["precision"],
            str(model["threads"]),
            str(model["cpu_mhz"]),
        ]
        for left_out, errors in model["errors"].items():
            figures = [f"{errors[key]:.1f} %" for key in ("mape_pct", "within_10_pct", "coverage_pct")]
            rows.append([*head, str(errors["networks"]), left_out, *figures])
    return rows
