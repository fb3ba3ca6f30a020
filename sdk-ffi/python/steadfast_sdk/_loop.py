"""Which event loop a call from the SDK's thread runs on."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import weakref
from typing import Awaitable, Callable, Union

from . import _native
from ._native.steadfast import NativeTokenProvider, TokenError, give_token, refuse_token, stop_threads

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
setattr(_native.steadfast, "_uniffi_get_event_loop", _event_loop)


class Provider(NativeTokenProvider):
    """Asks a function for tokens, on the event loop on which the client was made."""

    def __init__(self, function: TokenFunction) -> None:
        self._function = function
        self._loop = asyncio.get_running_loop()
        _loops.add(self._loop)

    async def ask(self, question: int, force: bool) -> None:
        try:
            if asyncio.get_running_loop() is self._loop:
                token = await self._token(force)
            else:
                asked = asyncio.run_coroutine_threadsafe(self._token(force), self._loop)
                token = await asyncio.wrap_future(asked)
            give_token(question, token)
        except TokenError as error:
            refuse_token(question, error)
        except Exception as error:
            refuse_token(question, TokenError.Unavailable(f"{type(error).__name__}: {error}"))

    async def _token(self, force: bool) -> str:
        token = self._function(force)
        return await token if inspect.isawaitable(token) else token
