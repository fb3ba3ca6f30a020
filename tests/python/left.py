"""What the SDK still holds: counted by the library itself, by the generated code, by Python and by the system."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from collections import Counter
from pathlib import Path

import steadfast_sdk as sdk


def held_by_library() -> dict[str, int]:
    """The library's own count of its memory and its tasks, which it has where debug assertions are on."""
    native = sdk._steadfast._UniffiLib
    counts = {}
    for what in ("blocks", "bytes", "tasks"):
        count = getattr(native, f"steadfast_live_{what}")
        count.restype = ctypes.c_int64
        counts[what] = count()
    return counts


def held_of_python() -> int:
    """What the library holds of Python: providers, listeners, loggers, waits, and calls that it waits for."""
    module = sdk._steadfast
    things = [each for one in vars(module).values() for each in (one, getattr(one, "_handle_map", None))]
    maps = {id(each): each for each in things if isinstance(each, module._UniffiHandleMap)}
    assert len(maps) >= 4, "the generated code keeps them elsewhere now"
    return sum(len(each._map) for each in maps.values())


def objects() -> Counter[str]:
    """The SDK's objects that Python still has: clients, sessions, readers, and what they stand on."""
    gc.collect()
    own = [sdk.Client, sdk.Session, sdk.Events, sdk._client._Listener, sdk._loop.Provider]
    native = [kind for name, kind in vars(sdk._steadfast).items() if name.startswith("Native") and not name.endswith("Protocol")]
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, (*own, *native)))


def files() -> int:
    return len(os.listdir("/proc/self/fd"))


def threads() -> int:
    """The library's threads. The one for sockets and timers stays; one that may block ends after 2 s."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            names.append((task / "comm").read_text())
    return sum(name.startswith("steadfast") for name in names)


def resident() -> int:
    """The process' memory, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
