"""A connection to a Daybook server: JSON-RPC 2.0, one line a message."""

import json
import socket
import ssl
import threading

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class DaybookError(Exception):
    """What the server refused a call with.

    `type` and `data` are those of the protocol: `data["problems"]` lists what is wrong with which parameter.
    """

    def __init__(self, error):
        super().__init__(error.get("message", "the server refused"))
        self.code = error.get("code")
        self.data = error.get("data") or {}
        self.type = self.data.get("type")


class DaybookUnreachable(ConnectionError):
    """No server answers at the address. Whether the command was recorded isn't known: send it again with its command_id."""


class Client:
    """One connection; calls of several threads wait for each other."""

    def __init__(self, address, timeout=30):
        self.address = address
        self._lock = threading.Lock()
        self._next = 0
        try:
            self._socket = _connect(address, timeout)
        except OSError as error:
            raise DaybookUnreachable(f"no Daybook server answers at {address}: {error}") from error
        self._stream = self._socket.makefile("rwb")

    def call(self, method, **params):
        """The result of a call; raises DaybookError where the server refuses it."""
        with self._lock:
            self._next += 1
            number = self._next
            request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            try:
                self._stream.write(json.dumps(request, default=_text).encode() + b"\n")
                self._stream.flush()
                while True:
                    line = self._stream.readline()
                    if not line:
                        raise OSError("the connection was closed")
                    answer = json.loads(line)
                    # What has no id is a notification.
                    if answer.get("id") == number:
                        break
            except OSError as error:
                self.close()
                raise DaybookUnreachable(f"{self.address}: {error}") from error
        if "error" in answer:
            raise DaybookError(answer["error"])
        return answer["result"]

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _text(value):
    """Times in RFC 3339, ids and addresses as they are written."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _connect(address, timeout):
    kind, _, place = address.partition(":")
    if kind == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        connection.connect(place)
        return connection
    if kind not in ("tcp", "tls"):
        raise ImproperlyConfigured(f"DAYBOOK['ADDRESS'] is {address}: write unix:PATH, tcp:HOST:PORT or tls:HOST:PORT")
    host, _, port = place.rpartition(":")
    connection = socket.create_connection((host.strip("[]"), int(port)), timeout)
    if kind == "tls":
        authorities = settings.DAYBOOK.get("TLS_CA")
        connection = ssl.create_default_context(cafile=authorities).wrap_socket(connection, server_hostname=host.strip("[]"))
    return connection


def _setting(name):
    values = getattr(settings, "DAYBOOK", None)
    if not values or "ADDRESS" not in values:
        raise ImproperlyConfigured("settings.DAYBOOK needs ADDRESS: unix:PATH, tcp:HOST:PORT or tls:HOST:PORT")
    return values.get(name)


def connect():
    """A new connection for which nobody has signed in."""
    return Client(_setting("ADDRESS"))


_writer = threading.local()


def writer():
    """This thread's connection for commands: as the API key of the settings, or over a local socket as the local administrator."""
    client = getattr(_writer, "client", None)
    if client is None:
        client = connect()
        key = _setting("API_KEY")
        if key:
            client.call("session.open", api_key=key)
        _writer.client = client
    return client


def send(method, **params):
    """Gives a command. A connection that has gone is made anew by the next call, not by this one."""
    try:
        return writer().call(method, **params)
    except DaybookUnreachable:
        _writer.client = None
        raise
