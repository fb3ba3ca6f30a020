"""Keeps an app attached to a long-running server job: connect, authenticate, subscribe, back off, resubscribe.

    async with CharismaClient("ws://127.0.0.1:8090/charisma", token=token) as client:
        async with client.session("session_123") as session:
            async for event in session:
                ...
"""

# `as` with the same name tells type checkers that a name is meant to be used from here.
from . import _errors  # noqa: F401  (what errors say)
from ._client import DEVELOPMENT as DEVELOPMENT
from ._client import PRODUCTION as PRODUCTION
from ._client import Client as Client
from ._client import Events as Events
from ._client import Session as Session
from ._client import TypedMessage as TypedMessage
from ._log import log_to as log_to
from ._loop import TokenFunction as TokenFunction
from ._native import steadfast as _steadfast
from ._native.steadfast import *  # noqa: F401,F403
from ._services import CharismaClient as CharismaClient
from ._services import DevContextClient as DevContextClient
from ._services import DocProcClient as DocProcClient
from ._services import SagaClient as SagaClient
from ._services import TherapyBridgeClient as TherapyBridgeClient

__all__ = [
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
]
__all__ += _steadfast.__all__
