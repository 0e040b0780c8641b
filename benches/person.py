"""A person at our server with nothing but an HTTP client: signs in once and says yes for good."""

import http.client
import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

_HIDDEN = re.compile(r'name="transaction" value="([^"]+)"')
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}


class Person:
    """Somebody with one browser."""

    def __init__(self, port: int, name: str, password: str) -> None:
        """Not signed in yet."""
        self._port = port
        self._proof = {"name": name, "password": password}
        self._cookies: dict[str, str] = {}

    @property
    def cookie(self) -> str:
        """What the browser sends along."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def allow(self, request: str) -> None:
        """Say yes to this authorization request, signing in where asked, and never be asked again."""
        status, place, page = self._call("GET", f"/authorize?{request}")
        if status == 200 and 'name="password"' in page:
            _, place, _ = self._call("POST", "/sign-in", {**self._proof, "transaction": _transaction(page)})
            parts = urlsplit(place)
            status, place, page = self._call("GET", f"{parts.path}?{parts.query}")
        if status == 200:
            self._call("POST", "/consent", {"transaction": _transaction(page), "decision": "allow", "remember": "1"})

    def _call(self, method: str, target: str, fields: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        wire = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        wire.request(method, target, urlencode(fields or {}) if fields else None, {**_FORM, "Cookie": self.cookie})
        reply = wire.getresponse()
        for line in reply.headers.get_all("Set-Cookie", []):
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        page = reply.read().decode()
        wire.close()
        return reply.status, reply.headers.get("Location", ""), page


def _transaction(page: str) -> str:
    found = _HIDDEN.search(page)
    if found is None:
        raise ValueError("the page has no form")
    return found.group(1)
