"""The command `wmenv serve`: parse, load, listen until somebody says stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wmenv.contract import World
    from wmenv.serve.limits import Limits


def serve(
    world: Annotated[str, typer.Argument(help="A name that `wmenv worlds` lists, or module:factory.")],
    host: Annotated[str, typer.Option(help="The address to listen on; any but loopback wants a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8765,
    token: Annotated[
        str | None, typer.Option(envvar="WMENV_TOKEN", help="What clients must know; made if needed and not given.")
    ] = None,
    origin: Annotated[list[str] | None, typer.Option(help="Let pages from here connect; may be repeated.")] = None,
    with_: Annotated[
        list[str] | None, typer.Option("--with", metavar="KEY=VALUE", help="A setting of the world; may be repeated.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one limit; may be repeated.")
    ] = None,
) -> None:
    """Give a world to other processes, as sessions over WebSocket."""
    import asyncio
    import secrets

    from wmenv.config import with_overrides
    from wmenv.errors import MissingExtraError
    from wmenv.worlds.catalog import load_world

    try:
        from wmenv.serve.doors import is_loopback
        from wmenv.serve.limits import Limits
    except ModuleNotFoundError as problem:
        raise MissingExtraError("serving needs websockets: pip install 'wmenv[serve]'.") from problem
    limits = Limits.load(overrides=settings or [])
    loaded = load_world(world, **with_overrides({}, with_ or []))
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
        print(f"clients need this token: {token}", flush=True)
    asyncio.run(_listen(loaded, limits, host, port, token, origin or []))


async def _listen(world: World, limits: Limits, host: str, port: int, token: str | None, origins: list[str]) -> None:
    """Serve until the process is told to stop."""
    import asyncio
    import signal

    from wmenv.serve.hub import Hub
    from wmenv.serve.server import Server

    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with Hub(world, limits) as hub, Server(hub, host, port, token, origins) as server:
        print(f"{world.spec.name} at {server.url}", flush=True)
        await stop.wait()
