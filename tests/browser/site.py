"""Other people's sites: a listener on loopback that shows what it is told and remembers who came."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "notes.example"
"""A client's own host; the browser finds it on this machine."""
SCHEME = "com.example.notes:/callback"
"""The address of a program that this machine has not got."""
BACK = "<!doctype html><html lang=en><link rel=icon href='data:,'><title>The application</title><h1>Back at the application</h1>"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A browser came with something."""

    method: str
    path: str
    members: Mapping[str, str]
    """Of the query, or of the form."""
    headers: Mapping[str, str]
    """Names in lower case."""


@dataclass
class Site:
    """One origin of somebody else's."""

    name: str = "127.0.0.1"
    """Host as browsers know it."""
    secure: ssl.SSLContext | None = None
    pages: dict[str, str] = field(default_factory=dict[str, str])
    """Path to HTML; every other path says that the browser is back at the application."""
    onward: dict[str, str] = field(default_factory=dict[str, str])
    """Path to the address where browsers are sent from there."""
    arrivals: list[Arrival] = field(default_factory=list[Arrival])

    def __post_init__(self) -> None:
        site = self

        class Visitor(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.receive(self, "GET", urlsplit(self.path).query)

            def do_POST(self) -> None:
                site.receive(self, "POST", self.rfile.read(int(self.headers["Content-Length"])).decode())

            def log_request(self, code: object = "-", size: object = "-") -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Visitor)
        if self.secure is not None:
            self._http.socket = self.secure.wrap_socket(self._http.socket, server_side=True)
        self._thread = Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it really listens."""
        return self._http.server_port

    @property
    def origin(self) -> str:
        """As browsers know it; a secure one is at the usual port for them."""
        return f"https://{self.name}" if self.secure else f"http://{self.name}:{self.port}"

    def close(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def receive(self, visitor: BaseHTTPRequestHandler, method: str, said: str) -> None:
        """Remember who came, and show a page."""
        path = urlsplit(visitor.path).path
        headers = {name.lower(): value for name, value in visitor.headers.items()}
        if path != "/favicon.ico":
            self.arrivals.append(Arrival(method, path, dict(parse_qsl(said, keep_blank_values=True)), headers))
        body = self.pages.get(path, BACK).encode()
        visitor.send_response(302 if path in self.onward else 200)
        if path in self.onward:
            visitor.send_header("Location", self.onward[path])
        visitor.send_header("Content-Type", "text/html; charset=utf-8")
        visitor.send_header("Content-Length", str(len(body)))
        visitor.end_headers()
        visitor.wfile.write(body)


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """What a secure site shows; browsers are told to take it."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
