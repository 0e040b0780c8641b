"""Somebody outside: whole requests by a library, and raw bytes by hand, over loopback."""

import base64
import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

PATIENCE = 20.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return cast("dict[str, Any]", value)

    @property
    def no(self) -> tuple[int, str]:
        """Status and code of a refusal."""
        return self.status, self.json["error"]


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def basic(name: str, password: str) -> dict[str, str]:
    """The header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def call(port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
    """One request on a connection of its own."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        line.request(method, path, body or None, dict(headers or {}))
        answer = line.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        line.close()


def post(port: int, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
    """A form."""
    return call(port, "POST", path, urlencode(fields).encode(), {**FORM, **(headers or {})})


def say(port: int, *parts: bytes) -> list[Reply]:
    """Everything that is answered to these bytes until the server hangs up, as it must."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        for part in parts:
            line.sendall(part)
        heard = b""
        while piece := line.recv(65536):
            heard += piece
    return list(replies(heard))


def replies(heard: bytes) -> list[Reply]:
    """The answers in a stream of bytes; what is no whole answer fails."""
    found: list[Reply] = []
    while heard:
        head, end, rest = heard.partition(b"\r\n\r\n")
        assert end, heard
        first, *lines = head.decode("latin-1").split("\r\n")
        assert first.startswith("HTTP/1.1 "), first
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status, size = int(first.split(" ")[1]), int(headers.get("content-length", "0"))
        assert len(rest) >= size, heard
        found.append(Reply(status, headers, rest[:size]))
        heard = rest[size:]
    return found
