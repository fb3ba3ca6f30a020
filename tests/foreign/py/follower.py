"""A python-socketio client that keeps its events in the order in which they came."""

import queue

import socketio

PATIENCE = 20
TRANSPORTS = {
    "websocket": ["websocket"],
    "polling": ["polling"],
    "upgrade": ["polling", "websocket"],
}


class Follower:
    def __init__(self, **options):
        self.sio = socketio.Client(**{"reconnection": False, **options})
        self.seen = []
        self.refusal = None
        self._queue = queue.Queue()
        self.sio.on("connect_error", self._refused)
        self.sio.on("disconnect", lambda *_: self._queue.put(("disconnect", None)))
        self.sio.on("*", lambda name, *args: self._queue.put((name, args[0] if args else None)))

    def _refused(self, data):
        self.refusal = data

    def connect(self, base, service, mode, token=None):
        self.sio.connect(
            base,
            socketio_path=f"/{service}/socket.io/",
            transports=TRANSPORTS[mode],
            auth={"token": token} if token else None,
            wait_timeout=PATIENCE,
        )
        assert self.sio.transport() == ("polling" if mode == "polling" else "websocket")

    def until(self, name, fits=lambda data: True):
        """The next event of this name that fits; those before it are kept in `seen`."""
        while True:
            try:
                event, data = self._queue.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError(f"no {name} in {PATIENCE} s, but {self.seen}") from None
            self.seen.append((event, data))
            if event == name and fits(data):
                return data
