"""Which event loop a call from the SDK's thread runs on."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import weakref
from typing import Awaitable, Callable, Union

from . import _native
from ._native.steadfast import TokenError, TokenProvider, stop_threads

# A thread that calls Python while Python ends would abort the process.
atexit.register(stop_threads)

TokenFunction = Callable[[bool], Union[str, Awaitable[str]]]
"""Gives a token, at once or later. Its argument says that the last one was refused."""

_loops: "weakref.WeakSet[asyncio.AbstractEventLoop]" = weakref.WeakSet()


def _event_loop() -> asyncio.AbstractEventLoop:
    """The loop that runs here or, on the SDK's own thread, one on which a client with a token provider lives."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        for loop in list(_loops):
            if loop.is_running():
                return loop
        raise


# The generated module knows one loop for a whole process; programs may have several.
_native.steadfast._uniffi_get_event_loop = _event_loop


class Provider(TokenProvider):
    """Asks a function for tokens, on the event loop on which the client was made."""

    def __init__(self, function: TokenFunction) -> None:
        self._function = function
        self._loop = asyncio.get_running_loop()
        _loops.add(self._loop)

    async def token(self, force: bool) -> str:
        if asyncio.get_running_loop() is self._loop:
            return await self._ask(force)
        asked = asyncio.run_coroutine_threadsafe(self._ask(force), self._loop)
        return await asyncio.wrap_future(asked)

    async def _ask(self, force: bool) -> str:
        try:
            token = self._function(force)
            return await token if inspect.isawaitable(token) else token
        except (TokenError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise TokenError.Unavailable(f"{type(error).__name__}: {error}") from error
