"""The server of the live page: a house of rooms, a door before it, and what it answers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from wmenv.errors import BusyError, WmenvError
from wmenv.live.door import Door
from wmenv.live.house import House, Rules
from wmenv.live.routes import router

LONGEST_MESSAGE = 2**16  # bytes; pictures and moments come by HTTP


def make_app(
    world: str, settings: dict[str, Any] | None = None, rules: Rules | None = None, token: str | None = None
) -> FastAPI:
    """The server of a world's live page. With a `token` only those who bring it may connect."""
    app = FastAPI(title="wmenv live", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_open_house)
    app.state.house = House(world, settings or {}, rules or Rules())
    app.state.door = Door(token)
    app.include_router(router)
    app.add_exception_handler(WmenvError, _refused)
    return app


@contextlib.asynccontextmanager
async def _open_house(app: FastAPI) -> AsyncIterator[None]:
    async with app.state.house:
        yield


async def _refused(request: Request, problem: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(problem)}, 503 if isinstance(problem, BusyError) else 400)


def serve(app: FastAPI, host: str, port: int) -> None:
    """Run the server until it is interrupted."""
    import uvicorn

    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        ws_max_size=LONGEST_MESSAGE,
        ws_per_message_deflate=False,  # small pictures cost more to compress than to send
        timeout_graceful_shutdown=3,
    )
