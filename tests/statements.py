"""A directory that vouches for software, as an operator trusts one; and the software that it vouches for."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tests.assertions import Holder, holder
from tests.world import CALLBACK, ISSUER, START, Reply, World, world

DIRECTORY = "https://directory.example"
KEYS = "https://directory.example/keys"
SOFTWARE_KEYS = "https://keys.example/tea-1"
SUBJECT = "CN=tea.example,2.5.4.97=PSDGB-FCA-org-1,O=Tea Ltd,C=GB"


@dataclass
class Directory:
    """Somebody who makes statements."""

    name: str = DIRECTORY
    key: Holder = field(default_factory=lambda: holder("ES256", "d1", 7))
    now: int = START

    def states(self, _header: Mapping[str, object] | None = None, /, **claims: object) -> str:
        """A statement about a tea shop; claims that are None are left out."""
        said = {
            "iss": self.name,
            "iat": self.now,
            "jti": secrets.token_hex(8),
            "software_id": "tea-1",
            "client_name": "Official Tea",
            **claims,
        }
        return self.key.signs({name: value for name, value in said.items() if value is not None}, **(_header or {}))


def written(name: str = DIRECTORY, /, **keys: object) -> dict[str, object]:
    """What an operator writes about an issuer whose keys lie beside the file."""
    return {"issuer": name, "label": "The Directory", "jwks": "directory.jwks", "algs": ["ES256"], **keys}


def toml(rows: list[dict[str, object]]) -> str:
    """The file of these issuers; keys that are None are left out."""
    lines: list[str] = []
    for row in rows:
        lines.append("[[statement_issuers]]")
        lines += [f"{key} = {_value(value)}" for key, value in row.items() if value is not None]
    return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return "{ " + ", ".join(f'"{key}" = {_value(one)}' for key, one in table.items()) + " }"
    return json.dumps(value)


async def trusting(folder: Path, *rows: dict[str, object], sqlite: bool = False, **settings: object) -> World:
    """A server that trusts these issuers, or the one directory."""
    folder.mkdir(exist_ok=True)
    (folder / "directory.jwks").write_text(json.dumps(holder("ES256", "d1", 7).jwks), encoding="utf-8")
    file = folder / "issuers.toml"
    file.write_text(toml(list(rows) or [written()]), encoding="utf-8")
    return await world(folder, sqlite=sqlite, statement_issuers_file=str(file), **settings)


@dataclass
class Software:
    """Software with keys of its own, which signs its requests itself."""

    server: World
    key: Holder = field(default_factory=lambda: holder("ES256", "s1", 8))
    software_id: str = "tea-1"

    def __post_init__(self) -> None:
        self.server.strangers.serve(SOFTWARE_KEYS, json.dumps(self.key.jwks).encode())

    def claims(self, statement: str | None, **claims: object) -> dict[str, object]:
        """What a request says; claims that are None are left out."""
        now = self.server.clock()
        said = {
            "iss": self.software_id,
            "aud": ISSUER,
            "iat": now,
            "exp": now + 300,
            "jti": secrets.token_hex(8),
            "redirect_uris": [CALLBACK],
            "software_statement": statement,
            **claims,
        }
        return {name: value for name, value in said.items() if value is not None}

    def signs(self, statement: str | None, _header: Mapping[str, object] | None = None, /, **claims: object) -> str:
        """A signed request."""
        return self.key.signs(self.claims(statement, **claims), **(_header or {}))

    async def sends(self, request: str, media: str = "application/jwt", **headers: str) -> Reply:
        """POST a signed request."""
        return await self.server.call("POST", "/register", request.encode(), {"content-type": media, **headers})

    async def puts(self, card: Mapping[str, Any], request: str, **headers: str) -> Reply:
        """PUT a signed request."""
        named = {"content-type": "application/jwt", "authorization": f"Bearer {card['registration_access_token']}", **headers}
        return await self.server.call("PUT", str(card["registration_client_uri"]), request.encode(), named)
