"""Adds a listener each time it connects: after every loss it joins its room once more than before."""

import socketio
from common import BASE, TOKEN

client = socketio.Client(reconnection_delay=0.2, randomization_factor=0)
on_connected = []


def join():
    client.emit("join_project", "project_1")


@client.event
def connect():
    on_connected.append(join)
    for listener in on_connected:
        listener()


client.connect(BASE, socketio_path="/saga/socket.io/", transports=["websocket"], auth={"token": TOKEN})
client.wait()
