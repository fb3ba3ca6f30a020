"""Joins its room once and leaves the rest to the library, which connects again but knows of no rooms."""

import socketio
from common import BASE, TOKEN

client = socketio.Client(reconnection_delay=0.2, randomization_factor=0)
client.connect(BASE, socketio_path="/saga/socket.io/", transports=["websocket"], auth={"token": TOKEN})
client.emit("join_project", "project_1")
client.wait()
