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
    from edgetune.errors import ConfigError, MissingDependencyError

    if not host.strip():
        raise ConfigError("no address", where="--host", mend="0.0.0.0 is the whole network, 127.0.0.1 this board alone")

    try:
        from edgetune.agent.app import Settings
        from edgetune.agent.measure import Limits
        from edgetune.agent.serve import Place, run_agent
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{error.name} is not installed", mend="run: pip install 'edgetune[agent]'"
        ) from error
    settings = Settings(
        largest_model=_bytes(max_model, "--max-model"),
        cache_bytes=_bytes(max_cache, "--max-cache"),
        job=Limits(_time(max_time), _bytes(max_memory, "--max-memory")),
        native=allow_native,
    )
    run_agent(agent_folder(), Place(host, port), settings, announce=announce, say=lambda text: print(text, flush=True))


def _bytes(text: str, flag: str) -> int:
    from edgetune.errors import ConfigError
    from edgetune.units import size

    found = size(text, where=flag)
    if found < 2**20:
        raise ConfigError(f"{text} leaves no room", where=flag, mend="1MiB or more")
    return found


def _time(text: str) -> float:
    from edgetune.errors import ConfigError
    from edgetune.units import seconds

    found = seconds(text, where="--max-time")
    if not 1 <= found <= 86400:
        raise ConfigError(f"{text} is no time for a measurement", where="--max-time", mend="1s to 24h")
    return found


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
