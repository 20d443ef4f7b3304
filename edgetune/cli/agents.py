"""`edgetune agents`"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgetune.cli.output import print_json, print_table

if TYPE_CHECKING:
    from edgetune.agent.registry import Agent

app = typer.Typer(help="The boards that run an agent.", invoke_without_command=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def agents(context: typer.Context, json: Json = False) -> None:
    """List the agents; `edgetune agents add NAME https://ADDRESS:8765` makes one known."""
    if context.invoked_subcommand is None:
        list_known(json)


@app.command("ls")
def list_known(json: Json = False) -> None:
    """List the agents and ask each how its board is."""
    from edgetune.agent.registry import list_agents

    known = list_agents()
    with ThreadPoolExecutor(max(1, len(known))) as pool:  # one that does not answer keeps nobody waiting
        rows = list(pool.map(_state_of, known))
    if json:
        print_json(rows)
        return
    if not rows:
        print("no agent is known; edgetune agents add NAME https://ADDRESS:8765 makes one known")
        return
    print_table("", ["agent", "address", "board", "runtimes", "jobs", "°C", "health"], [_cells(row) for row in rows])


def _state_of(agent: Agent) -> dict[str, Any]:
    """What the agent says of its board, or why it says nothing."""
    from edgetune.agent.client import Client
    from edgetune.errors import AgentError

    row = {"name": agent.name, "url": agent.url, "fingerprint": agent.fingerprint}
    try:
        with Client(agent, patience=0) as client:
            return row | {"health": "ready", **client.board().model_dump(mode="json")}
    except AgentError as error:
        return row | {"health": error.what}


def _cells(row: dict[str, Any]) -> list[str]:
    if "board" not in row:
        return [row["name"], row["url"], "", "", "", "", row["health"]]
    board, state = row["board"], row["state"]
    model = f"{board['model']}, emulated" if board["emulated"] else board["model"]
    temperature = "" if state["temperature_c"] is None else f"{state['temperature_c']:.0f}"
    runtimes = ", ".join(f"{name} {version}" for name, version in row["runtimes"].items())
    health = ", ".join(state["throttled"]) or row["health"]
    return [row["name"], row["url"], model, runtimes, str(row["jobs"]), temperature, health]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    url: Annotated[str, typer.Argument(help="Such as https://pi.local:8765.")],
    token: Annotated[str | None, typer.Option(help="As the agent printed it. [asked for]")] = None,
    fingerprint: Annotated[str | None, typer.Option(help="As the agent printed it. [shown and asked for]")] = None,
) -> None:
    """Make an agent known. Its certificate's fingerprint is kept; another certificate will be refused.

    Without --fingerprint, the one that the address shows has to be confirmed before the token is sent.
    """
    from edgetune.agent.client import Client
    from edgetune.agent.link import fetch_fingerprint
    from edgetune.agent.registry import Agent, add_agent, check_name, check_token, parse_url, plain_fingerprint
    from edgetune.errors import AgentError

    check_name(name)
    host, port = parse_url(url)
    if fingerprint is None:
        shown = fetch_fingerprint(host, port)
        if not sys.stdin.isatty():
            raise AgentError(
                f"shows the fingerprint {shown}", where=url, mend="if the agent printed it, add it here: --fingerprint"
            )
        typer.confirm(f"{url} shows the fingerprint\n  {shown}\nDid the agent print the same?", abort=True)
    else:
        shown = plain_fingerprint(fingerprint)
    if token is None and not sys.stdin.isatty():
        raise AgentError("needs the token that the agent printed", where=url, mend="--token TOKEN")
    known = check_token(typer.prompt("Token", hide_input=True) if token is None else token)
    agent = Agent(name, host, port, known, shown)
    with Client(agent, patience=5) as client:
        body = client.board()
    add_agent(agent)
    runtimes = ", ".join(f"{runtime} {version}" for runtime, version in body.runtimes.items())
    print(f"{name}: {body.board.model}, {body.board.cores} cores, {body.board.system}; {runtimes}")


@app.command()
def rm(name: str) -> None:
    """Forget an agent."""
    from edgetune.agent.registry import remove_agent

    remove_agent(name)


@app.command()
def find(json: Json = False) -> None:
    """Look for agents in the local network that were started with --announce."""
    from edgetune.agent.discovery import find as listen

    found = listen()
    if json:
        print_json(found)
    elif not found:
        print("no agent answered; was it started with --announce, and not on its own loopback alone?")
    else:
        print_table("", ["agent", "address"], [[name, address] for name, address in sorted(found.items())])
