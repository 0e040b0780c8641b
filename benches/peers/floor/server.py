"""The floor: what these libraries and this disk allow when a server checks nothing.

Bare ASGI, msgspec, one SQLite file at ``synchronous=FULL`` with group commit; ``server.py PORT FOLDER``.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import msgspec
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

KEY = secrets.token_bytes(32)
EC = generate_private_key(SECP256R1())
METADATA = msgspec.json.encode(
    {"issuer": "http://127.0.0.1", "registration_endpoint": "http://127.0.0.1/register", "scopes_supported": ["openid"]}
)
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Work = Callable[[], bool]


class Floor:
    """Register, read, replace, delete, authorize, redeem, refresh, token, introspect, metadata; nothing is validated."""

    def __init__(self, folder: Path) -> None:
        """One file, one table."""
        path = str(folder / "floor.sqlite3")
        self.db = apsw.Connection(path)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self.db.execute(f"PRAGMA {pragma}")
        self.db.execute("CREATE TABLE IF NOT EXISTS clients (id BLOB, card BLOB) STRICT")
        self.db.execute("CREATE UNIQUE INDEX IF NOT EXISTS by_id ON clients (id)")
        self.reader = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        self.thread = ThreadPoolExecutor(1)
        self.waiting: list[tuple[Work, asyncio.Future[bool]]] = []
        self.busy = False

    async def write(self, work: Work) -> bool:
        """Wait for the commit of the group that this work goes with."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.waiting.append((work, future))
        if not self.busy:
            self.busy = True
            self.task = asyncio.get_running_loop().create_task(self.groups())
        return await future

    async def groups(self) -> None:
        """One group after the other while there is work."""
        loop = asyncio.get_running_loop()
        while self.waiting:
            group, self.waiting = self.waiting[:64], self.waiting[64:]
            self.db.execute("BEGIN IMMEDIATE")
            done = [(future, work()) for work, future in group]
            await loop.run_in_executor(self.thread, self.db.execute, "COMMIT")
            for future, value in done:
                future.set_result(value)
        self.busy = False

    def insert(self, key: bytes, card: bytes) -> bool:
        """A new row."""
        self.db.execute("INSERT INTO clients (id, card) VALUES (?, ?)", (key, card))
        return True

    def update(self, key: bytes, card: bytes) -> bool:
        """Another card."""
        self.db.execute("UPDATE clients SET card = ? WHERE id = ?", (card, key))
        return self.db.changes() == 1

    def delete(self, key: bytes) -> bool:
        """No row."""
        self.db.execute("DELETE FROM clients WHERE id = ?", (key,))
        return self.db.changes() == 1

    def card(self, key: bytes) -> bytes | None:
        """The card of a client."""
        row = self.reader.execute("SELECT card FROM clients WHERE id = ?", (key,)).fetchone()
        return None if row is None else row[0]

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[MutableMapping[str, Any]]], send: Send
    ) -> None:
        """Serve one request."""
        path: str = scope["path"]
        if path.startswith("/.well-known/"):
            return await answer(send, 200, METADATA)
        if path == "/authorize":
            return await self.authorize(scope["query_string"], send)
        body: bytes = (await receive()).get("body", b"")
        if path == "/register":
            card = msgspec.json.decode(body)
            name = secrets.token_urlsafe(16)
            token = hmac.digest(KEY, name.encode(), "sha256").hex()
            card |= {
                "client_id": name,
                "client_secret": token,
                "registration_access_token": token,
                "registration_client_uri": f"/register/{name}",
            }
            encoded = msgspec.json.encode(card)
            await self.write(lambda: self.insert(hashlib.sha256(name.encode()).digest()[:16], encoded))
            return await answer(send, 201, encoded)
        if path.startswith("/register/"):
            return await self.manage(scope["method"], path[10:], body, send)
        key = hashlib.sha256(b"floor").digest()[:16]
        self.card(key)
        if b"code=" in body or b"refresh_token=" in body:
            return await self.exchange(body, send)
        if path == "/token":
            token = EC.sign(body, ECDSA(SHA256())).hex() if b"jwt" in body else hmac.digest(KEY, body, "sha256").hex()
            return await answer(send, 200, msgspec.json.encode({"access_token": token, "token_type": "Bearer", "expires_in": 3600}))
        hmac.digest(KEY, body, "sha256")
        return await answer(send, 200, b'{"active":true,"scope":"openid","client_id":"floor"}')

    async def authorize(self, query: bytes, send: Send) -> None:
        """A row for a grant, and a code."""
        name = secrets.token_urlsafe(16)
        await self.write(lambda: self.insert(hashlib.sha256(name.encode()).digest()[:16], query))
        place = b"https://client.example.org/callback?code=" + name.encode() + b"&state=" + query.partition(b"state=")[2].partition(b"&")[0]
        await send({"type": "http.response.start", "status": 303, "headers": [(b"location", place), (b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def exchange(self, body: bytes, send: Send) -> None:
        """Another row for the grant, and two tokens."""
        name = re.findall(rb"(?:code|refresh_token)=([^&]+)", body)[-1]
        key = hashlib.sha256(name).digest()[:16]
        self.card(key)
        await self.write(lambda: self.update(key, body))
        token = hmac.digest(KEY, body, "sha256").hex()
        made = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": name.decode()}
        return await answer(send, 200, msgspec.json.encode(made))

    async def manage(self, method: str, name: str, body: bytes, send: Send) -> None:
        """Read, replace, delete."""
        key = hashlib.sha256(name.encode()).digest()[:16]
        if method == "GET":
            return await answer(send, 200, self.card(key) or b"{}")
        if method == "PUT":
            encoded = msgspec.json.encode(msgspec.json.decode(body))
            await self.write(lambda: self.update(key, encoded))
            return await answer(send, 200, encoded)
        await self.write(lambda: self.delete(key))
        return await answer(send, 204, b"")


async def answer(send: Send, status: int, body: bytes) -> None:
    """One answer."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(Floor(Path(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="error", lifespan="off")
