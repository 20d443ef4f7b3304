"""`edgetune agent`"""

from __future__ import annotations

from typing import Annotated

import typer

from edgetune.agent.registry import DEFAULT_PORT

app = typer.Typer(help="Clock networks on this board for a host.", invoke_without_command=True)


@app.callback()
def agent(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for the whole network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = DEFAULT_PORT,
    announce: Annotated[bool, typer.Option("--announce", help="Say so in the local network (mDNS).")] = False,
    max_model: Annotated[str, typer.Option(help="The largest model.")] = "256MiB",
    max_cache: Annotated[str, typer.Option(help="All models together.")] = "2GiB",
    max_memory: Annotated[str, typer.Option(help="What a measurement may use.")] = "4GiB",
    max_time: Annotated[str, typer.Option(help="How long one may take.")] = "5min",
    allow_native: Annotated[
        bool,
        typer.Option("--allow-native", help="Run TVM libraries too: who has the token may then run any program."),
    ] = False,
) -> None:
    """Run the agent: hosts that have its token may have networks clocked here, over TLS.

    The first start makes a certificate and a token and prints what to type on the host. Stop it with Ctrl-C.
    """
    if context.invoked_subcommand is not None:
        return
    from edgetune.agent.home import agent_folder
    from edgetune.errors import MissingDependencyError
    from edgetune.units import seconds, size

    try:
        from edgetune.agent.app import Settings
        from edgetune.agent.measure import Limits
        from edgetune.agent.serve import Place, run_agent
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{error.name} is not installed", mend="run: pip install 'edgetune[agent]'"
        ) from error
    settings = Settings(
        largest_model=size(max_model, where="--max-model"),
        cache_bytes=size(max_cache, where="--max-cache"),
        job=Limits(seconds(max_time, where="--max-time"), size(max_memory, where="--max-memory")),
        native=allow_native,
    )
    run_agent(agent_folder(), Place(host, port), settings, announce=announce, say=lambda text: print(text, flush=True))


@app.command()
def token() -> None:
    """Make a new token and print it; the old one ends at once, for a running agent too."""
    from edgetune.agent.home import Token, agent_folder

    print(Token(agent_folder()).renew())


@app.command()
def fingerprint() -> None:
    """Print the certificate's fingerprint."""
    from edgetune.agent.home import Certificate, agent_folder

    print(Certificate(agent_folder()).ensure())
