"""The SDK's log, as Python's own."""

from __future__ import annotations

import logging
from typing import Optional

from ._native.steadfast import Logger, LogLevel, set_logger

_LEVELS = {
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.TRACE: logging.DEBUG - 5,
}


class _Log(Logger):
    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def log(self, level: LogLevel, line: str) -> None:
        self._logger.log(_LEVELS[level], "%s", line)


def log_to(logger: Optional[logging.Logger], level: LogLevel = LogLevel.DEBUG) -> None:
    """Sends the log of all clients to a logger of Python's, from this level on; `None` ends it. A token is never in
    it."""
    set_logger(_Log(logger) if logger else None, level)
