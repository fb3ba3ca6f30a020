"""Keeps an app attached to a long-running server job: connect, authenticate, subscribe, back off, resubscribe.

    async with CharismaClient("ws://127.0.0.1:8090/charisma", token=token) as client:
        async with client.session("session_123") as session:
            async for event in session:
                ...
"""

from . import _errors  # noqa: F401  (what errors say)
from ._client import DEVELOPMENT, PRODUCTION, Client, Events, Session, TypedMessage
from ._log import log_to
from ._loop import TokenFunction
from ._native import steadfast as _steadfast
from ._native.steadfast import *  # noqa: F401,F403
from ._services import CharismaClient, DevContextClient, DocProcClient, SagaClient, TherapyBridgeClient

_INNER = {"NativeClient", "NativeClientReader", "NativeSession", "NativeSessionReader", "CancelHandle", "stop_threads"}
_INNER |= {name for name in _steadfast.__all__ if name.endswith(("Protocol", "Impl"))}

__all__ = sorted(
    (set(_steadfast.__all__) - _INNER)
    | {
        "CharismaClient",
        "Client",
        "DEVELOPMENT",
        "DevContextClient",
        "DocProcClient",
        "Events",
        "PRODUCTION",
        "SagaClient",
        "Session",
        "TherapyBridgeClient",
        "TokenFunction",
        "TypedMessage",
        "log_to",
    }
)
