"""The command that opens the live page."""

from __future__ import annotations

import os
import secrets
from typing import Annotated

import typer

Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one key; may be repeated.")]


def live(
    world: Annotated[str, typer.Argument(help="A name that `wmenv worlds` lists, or module:factory.")] = "gridrooms",
    settings: Settings = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; any but this machine's own wants a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    rule: Annotated[
        list[str] | None, typer.Option("--rule", metavar="KEY=VALUE", help="rooms, queue, idle_s, grace_s, ...")
    ] = None,
) -> None:
    """Open a page where people walk in a world, direct it in words, branch, go back, and see the numbers move."""
    from wmenv.config import with_overrides
    from wmenv.errors import MissingExtraError

    try:
        from wmenv.live.door import LOOPBACK
        from wmenv.live.house import Rules
        from wmenv.live.server import make_app, serve
    except ModuleNotFoundError as problem:
        raise MissingExtraError(f"the live page needs {problem.name!r}: pip install 'wmenv[live]'.") from problem

    token = None if host in LOOPBACK else os.environ.get("WMENV_TOKEN") or secrets.token_urlsafe(16)
    app = make_app(world, with_overrides({}, settings or []), Rules.load(overrides=rule or []), token)
    print(f"wmenv live: {world} at http://{host}:{port}/{f'?token={token}' if token else ''}", flush=True)
    serve(app, host, port)
