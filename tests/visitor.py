"""A person with a browser in this process: it keeps cookies, follows redirects of ours and fills in forms, without JavaScript."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from calling_card.protocol.persons.people import Person, Role
from calling_card.usecases.people.operate import Wanted, add
from tests.world import CALLBACK, ISSUER, Reply, World

PASSWORD = "correct horse battery"
VERIFIER = "a-verifier-that-is-long-enough-for-the-rules-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Page(HTMLParser):
    """What of a page tests look at."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.ids: dict[str, dict[str, str | None]] = {}
        self.hidden: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, str]] = []
        self.feed(body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        name = found.get("id") or ""
        if name:
            self.ids[name] = found
            self.texts[name] = ""
        if tag == "input" and found.get("type") == "hidden":
            self.hidden.setdefault(found.get("name") or "", found.get("value") or "")
        if tag not in ("input", "meta", "link", "br", "hr", "img"):
            self._open.append((tag, name))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            if name:
                self.texts[name] += data


@dataclass
class Browser:
    """One browser at one server."""

    world: World
    headers: dict[str, str] = field(default_factory=lambda: {"accept": "text/html", "user-agent": "Example/1.0"})
    cookies: dict[str, str] = field(default_factory=dict[str, str])
    source: str = "203.0.113.5"

    async def get(self, target: str) -> Reply:
        """One GET; no redirect is followed."""
        return self._kept(await self.world.call("GET", target, b"", self._sent({}), self.source))

    async def post(self, target: str, fields: Mapping[str, str], **headers: str) -> Reply:
        """One form; no redirect is followed."""
        more = {"content-type": "application/x-www-form-urlencoded", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self._kept(await self.world.call("POST", target, urlencode(fields).encode(), self._sent(more), self.source))

    async def follow(self, reply: Reply) -> Reply:
        """The same, after every redirect that stays at the server."""
        for _ in range(10):
            where = reply.headers.get("location", "")
            if not where.startswith(ISSUER):
                return reply
            reply = await self.get(where)
        raise AssertionError("redirected without end")

    async def sign_in(self, page: Reply, name: str = "alice", password: str = PASSWORD) -> Reply:
        """Fill in the sign-in form of a page, and go on from there."""
        fields = {"transaction": Page(page.body).hidden["transaction"], "name": name, "password": password}
        return await self.follow(await self.post("/sign-in", fields))

    async def decide(self, page: Reply, decision: str = "allow", **fields: str) -> Reply:
        """Answer the question of a consent page."""
        return await self.post("/consent", {"transaction": Page(page.body).hidden["transaction"], "decision": decision, **fields})

    async def authorize(self, card: Mapping[str, Any], /, **params: str) -> Reply:
        """Come from a client; empty parameters are left out."""
        return await self.follow(await self.get(authorize_url(card, **params)))

    async def allow(self, card: Mapping[str, Any], /, **params: str) -> dict[str, str]:
        """Come from a client, sign in where asked, say yes; the members of the answer."""
        reply = await self.authorize(card, **params)
        if "password" in Page(reply.body).ids:
            reply = await self.sign_in(reply)
        if "allow" in Page(reply.body).ids:
            reply = await self.decide(reply)
        return answer_of(reply)

    def _sent(self, more: Mapping[str, str]) -> dict[str, str]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {**self.headers, **({"cookie": cookie} if cookie else {}), **more}

    def _kept(self, reply: Reply) -> Reply:
        for line in reply.cookies:
            name, _, value = line.partition(";")[0].partition("=")
            if "Max-Age=0" in line:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return reply


def authorize_url(card: Mapping[str, Any], /, **params: str) -> str:
    """The address a client sends a person to."""
    asked = {
        "client_id": card["client_id"],
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": "st",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **params,
    }
    return "/authorize?" + urlencode({name: value for name, value in asked.items() if value})


def answer_of(reply: Reply) -> dict[str, str]:
    """The members of an answer that was redirected to the client."""
    assert reply.status == 303, (reply.status, reply.body[:2000])
    parts = urlsplit(reply.headers["location"])
    return {name: values[0] for name, values in parse_qs(parts.query or parts.fragment).items()}


async def somebody(world: World, name: str = "alice", password: str = PASSWORD, **claims: str) -> Person:
    """A person who can sign in."""
    return (await add(world.ports, Wanted(name, password, dict(claims), Role.NONE, "tester"))).person


async def person_client(world: World, **members: object) -> dict[str, Any]:
    """A public client that asks people and refreshes."""
    body: dict[str, object] = {
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email offline_access",
        **members,
    }
    return await world.register(**body)


async def exchange(world: World, card: Mapping[str, Any], code: str, **fields: str) -> Reply:
    """A code for tokens, by a public client or with HTTP Basic."""
    return await _token(
        world, card, {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **fields}
    )


async def refresh(world: World, card: Mapping[str, Any], token: str, **fields: str) -> Reply:
    """A refresh token for new tokens."""
    return await _token(world, card, {"grant_type": "refresh_token", "refresh_token": token, **fields})


async def _token(world: World, card: Mapping[str, Any], fields: Mapping[str, str]) -> Reply:
    left = {name: value for name, value in fields.items() if value}
    if "client_secret" in card and card["token_endpoint_auth_method"] == "client_secret_basic":
        return await world.post_form("/token", left, basic=(card["client_id"], card["client_secret"]))
    return await world.post_form("/token", {**left, "client_id": card["client_id"]})


async def tokens(world: World, card: Mapping[str, Any], /, **params: str) -> dict[str, Any]:
    """A person says yes in a new browser, and the client gets its tokens."""
    answer = await Browser(world).allow(card, **params)
    reply = await exchange(world, card, answer["code"], redirect_uri=params.get("redirect_uri", CALLBACK))
    assert reply.status == 200, reply.body
    return reply.json
