"""A client's own host on loopback: it publishes what clients say of themselves, by TLS, and counts what was asked."""

import ssl
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self

import msgspec
import trustme

DOCUMENT, WELL_KNOWN, KEYS = "/client.json", "/.well-known/client-metadata", "/jwks.json"


class Publisher:
    """One host, at a port of its own; by http without an authority that vouches for it."""

    def __init__(self, name: str = "localhost", authority: trustme.CA | None = None) -> None:
        self.asked: Counter[str] = Counter()
        """How often each path was asked for, whatever the answer."""
        self._pages: dict[str, object] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if authority is not None:
            secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(name).configure_cert(secure)
            self._http.socket = secure.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self.origin = f"{'http' if authority is None else 'https'}://{name}:{self._http.server_port}"
        self._thread = Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def publish(self, path: str, said: object) -> str:
        """Serve this as JSON from now on; where."""
        self._pages[path] = said
        return self.origin + path

    def document(self, redirect_uri: str, **members: object) -> str:
        """Serve the document of a client that is its address, without members that are None; the client_id."""
        whole = {"client_id": self.origin + DOCUMENT, **said(redirect_uri), **members}
        return self.publish(DOCUMENT, {name: value for name, value in whole.items() if value is not None})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                publisher.asked[self.path] += 1
                page = publisher._pages.get(self.path)
                body = msgspec.json.encode(page)
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_request(self, code: object = "-", size: object = "-") -> None:
                """Say nothing."""

        return Handler


def said(redirect_uri: str) -> dict[str, object]:
    """What a program says of itself that people sign in with and that has no keys."""
    return {
        "client_name": "Scribe",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        "id_token_signed_response_alg": "ES256",
    }
