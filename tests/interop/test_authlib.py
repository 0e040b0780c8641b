"""Authlib as its users use it: one session does everything, the registration is a plain POST through it."""

from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from typing import Protocol, cast

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import get_well_known_url

from tests.interop.life import SERVER_MEMBERS, Plan, Step, assert_a_whole_life
from tests.ledger import meets

Json = dict[str, object]


class Answer(Protocol):
    """What `requests` and `httpx` answer alike."""

    status_code: int

    def json(self) -> Json: ...


class Session(Protocol):
    """The part of Authlib's blocking sessions that a client's life needs; Authlib itself is untyped."""

    def request(self, method: str, url: str, *, json: object = None) -> Answer: ...
    def fetch_token(self, url: str, *, grant_type: str, scope: str, resource: str) -> Json: ...
    def introspect_token(self, url: str, *, token: str) -> Answer: ...
    def revoke_token(self, url: str, *, token: str) -> Answer: ...
    def close(self) -> None: ...


class AsyncSession(Protocol):
    """The same of the asynchronous one."""

    def request(self, method: str, url: str, *, json: object = None) -> Awaitable[Answer]: ...
    def fetch_token(self, url: str, *, grant_type: str, scope: str, resource: str) -> Awaitable[Json]: ...
    def introspect_token(self, url: str, *, token: str) -> Awaitable[Answer]: ...
    def revoke_token(self, url: str, *, token: str) -> Awaitable[Answer]: ...
    async def aclose(self) -> None: ...


class Maker(Protocol):
    """A class of sessions."""

    def __call__(self, **known: object) -> object: ...


def bearer(token: object) -> dict[str, object]:
    """What a session is made with to send this token."""
    return {"token": {"access_token": token, "token_type": "Bearer"}}


def authenticated(card: Mapping[str, object]) -> dict[str, object]:
    """What a session is made with to authenticate as the client of this card."""
    method = card["token_endpoint_auth_method"]
    return {
        "client_id": card["client_id"],
        "client_secret": card["client_secret"],
        "token_endpoint_auth_method": method,
        "revocation_endpoint_auth_method": method,
    }


def asker(plan: Plan) -> dict[str, object]:
    """What a session is made with to ask as the resource server."""
    return {"client_id": plan.introspector.client_id, "client_secret": plan.introspector.client_secret}


def changed(plan: Plan, card: Json) -> Json:
    """Everything that was given, with a new name."""
    return {name: value for name, value in card.items() if name not in SERVER_MEMBERS} | {"client_name": plan.new_name}


def as_token(step: str, token: Json) -> Step:
    """The facts of a token answer."""
    return Step(step, token_type=str(token["token_type"]), expires_in=int(str(token["expires_in"])), scope=str(token["scope"]))


def as_facts(step: str, answer: Answer) -> Step:
    """The facts of an introspection answer."""
    said = answer.json()
    return Step(step, active=said["active"] is True, client_id=str(said.get("client_id", "")), scope=str(said.get("scope", "")))


def refused(step: str, answer: Answer) -> Step:
    """The facts of a refusal."""
    return Step(step, status=answer.status_code, error=str(answer.json()["error"]))


def blocking_life(plan: Plan, maker: Maker, opened: ExitStack) -> Iterator[Step]:
    """The life of a client that uses a blocking session; ``opened`` closes them."""

    def session(known: Mapping[str, object]) -> Session:
        made = cast("Session", maker(**known))
        opened.callback(made.close)
        return made

    invited = session(bearer(plan.initial_access_token))
    metadata = invited.request("GET", str(get_well_known_url(plan.issuer, external=True))).json()
    yield Step("discover", issuer=str(metadata["issuer"]))
    card = invited.request("POST", str(metadata["registration_endpoint"]), json=plan.card).json()
    yield Step("register", card=card)

    client, resource_server = session(authenticated(card)), session(asker(plan))
    introspection = str(metadata["introspection_endpoint"])

    def fetch() -> Json:
        endpoint = str(metadata["token_endpoint"])
        return client.fetch_token(endpoint, grant_type="client_credentials", scope=plan.scope, resource=plan.resource)

    def manage(method: str, sent: object = None) -> Answer:
        uri = str(card["registration_client_uri"])
        return session(bearer(card["registration_access_token"])).request(method, uri, json=sent)

    token = fetch()
    value = str(token["access_token"])
    yield as_token("token", token)
    yield as_facts("introspect", resource_server.introspect_token(introspection, token=value))
    yield as_facts("ask_about_own", client.introspect_token(introspection, token=value))
    yield Step("revoke", status=client.revoke_token(str(metadata["revocation_endpoint"]), token=value).status_code)
    yield as_facts("introspect_revoked", resource_server.introspect_token(introspection, token=value))

    card = manage("GET").json()
    yield Step("read", card=card)
    card = manage("PUT", changed(plan, card)).json()
    yield Step("update", card=card)
    card = manage("GET").json()
    yield Step("read_updated", card=card)

    client = session(authenticated(card))
    token = fetch()
    value = str(token["access_token"])
    yield as_token("second_token", token)
    yield as_facts("introspect_second", resource_server.introspect_token(introspection, token=value))
    yield Step("delete", status=manage("DELETE").status_code)
    yield as_facts("introspect_orphan", resource_server.introspect_token(introspection, token=value))
    with pytest.raises(OAuthError) as no:
        fetch()
    yield Step("token_refused", error=str(no.value.error))
    yield refused("read_refused", manage("GET"))


async def asynchronous_life(plan: Plan, maker: Maker, opened: AsyncExitStack) -> AsyncIterator[Step]:
    """The life of a client that uses the asynchronous session; ``opened`` closes them."""

    def session(known: Mapping[str, object]) -> AsyncSession:
        made = cast("AsyncSession", maker(**known))
        opened.push_async_callback(made.aclose)
        return made

    invited = session(bearer(plan.initial_access_token))
    metadata = (await invited.request("GET", str(get_well_known_url(plan.issuer, external=True)))).json()
    yield Step("discover", issuer=str(metadata["issuer"]))
    card = (await invited.request("POST", str(metadata["registration_endpoint"]), json=plan.card)).json()
    yield Step("register", card=card)

    client, resource_server = session(authenticated(card)), session(asker(plan))
    introspection = str(metadata["introspection_endpoint"])

    async def fetch() -> Json:
        endpoint = str(metadata["token_endpoint"])
        return await client.fetch_token(endpoint, grant_type="client_credentials", scope=plan.scope, resource=plan.resource)

    async def manage(method: str, sent: object = None) -> Answer:
        uri = str(card["registration_client_uri"])
        return await session(bearer(card["registration_access_token"])).request(method, uri, json=sent)

    token = await fetch()
    value = str(token["access_token"])
    yield as_token("token", token)
    yield as_facts("introspect", await resource_server.introspect_token(introspection, token=value))
    yield as_facts("ask_about_own", await client.introspect_token(introspection, token=value))
    yield Step("revoke", status=(await client.revoke_token(str(metadata["revocation_endpoint"]), token=value)).status_code)
    yield as_facts("introspect_revoked", await resource_server.introspect_token(introspection, token=value))

    card = (await manage("GET")).json()
    yield Step("read", card=card)
    card = (await manage("PUT", changed(plan, card))).json()
    yield Step("update", card=card)
    card = (await manage("GET")).json()
    yield Step("read_updated", card=card)

    client = session(authenticated(card))
    token = await fetch()
    value = str(token["access_token"])
    yield as_token("second_token", token)
    yield as_facts("introspect_second", await resource_server.introspect_token(introspection, token=value))
    yield Step("delete", status=(await manage("DELETE")).status_code)
    yield as_facts("introspect_orphan", await resource_server.introspect_token(introspection, token=value))
    with pytest.raises(OAuthError) as no:
        await fetch()
    yield Step("token_refused", error=str(no.value.error))
    yield refused("read_refused", await manage("GET"))


@meets("R-01", "M-18", "M-29", "M-39", "M-40")
@pytest.mark.parametrize("maker", [OAuth2Session, OAuth2Client], ids=["requests", "httpx"])
def test_a_blocking_session_of_authlib_lives_a_whole_life(plan: Plan, maker: Maker) -> None:
    with ExitStack() as opened:
        lived = list(blocking_life(plan, maker, opened))

    assert_a_whole_life(plan, lived)


@meets("R-01", "M-18", "M-29", "M-39", "M-40")
async def test_the_asynchronous_session_of_authlib_lives_a_whole_life(plan: Plan) -> None:
    async with AsyncExitStack() as opened:
        lived = [step async for step in asynchronous_life(plan, cast("Maker", AsyncOAuth2Client), opened)]

    assert_a_whole_life(plan, lived)
