"""What the programs for python-socketio share."""

import queue
import sys
import urllib.parse

import socketio

LIMIT = 20
ORDERS = {
    "websocket": ["websocket"],
    "polling": ["polling"],
    "upgrade": ["polling", "websocket"],
}


def check(holds, what):
    """Stops with exit code 1 if something is not as documented."""
    if not holds:
        print(f"failed: {what}", file=sys.stderr)
        sys.exit(1)


class Follower:
    """A client that keeps its events in the order in which they came."""

    def __init__(self):
        self.sio = socketio.Client(reconnection=False)
        self.seen = []
        self._queue = queue.Queue()
        self.refusal = None
        self.sio.on("connect_error", self._refused)
        self.sio.on("*", lambda name, *args: self._queue.put((name, args[0] if args else None)))

    def _refused(self, data):
        self.refusal = data

    def connect(self, url, mode, token=None):
        base = urllib.parse.urlsplit(url)
        self.sio.connect(
            f"{base.scheme}://{base.netloc}",
            socketio_path=f"{base.path.rstrip('/')}/socket.io/",
            transports=ORDERS[mode],
            auth={"token": token} if token else None,
            wait_timeout=LIMIT,
        )
        expected = "polling" if mode == "polling" else "websocket"
        check(self.sio.transport() == expected, f"over {self.sio.transport()}")

    def until(self, name, fits=lambda data: True):
        """The next event of this name that fits; those before it are kept in `seen`."""
        while True:
            try:
                event, data = self._queue.get(timeout=LIMIT)
            except queue.Empty:
                check(False, f"no {name} in time")
            self.seen.append((event, data))
            if event == name and fits(data):
                return data
