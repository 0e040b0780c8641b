"""Access tokens: made, read again, and whether they live (RFC 9068, CREDENTIALS §3). Other use cases call this one."""

import hmac

import msgspec
from msgspec import structs

from calling_card.ports import Ports, Rows, Signer
from calling_card.protocol import base64url
from calling_card.protocol.clients import Client, State, client_key, holds
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles import idtokens, seals, tokens
from calling_card.protocol.handles.credentials import REFRESH_TOKEN, Handle, write
from calling_card.protocol.persons.grants import Grant, Stage, of_client
from calling_card.protocol.persons.resources import Target, canonical
from calling_card.usecases.clients import Known, admits


class Issued(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens as the answer tells of them, by its names (RFC 6749 §5.1)."""

    access_token: str
    token_type: str
    expires_in: int
    """Seconds."""
    scope: str = ""
    refresh_token: str = ""
    """Empty: none."""
    id_token: str = ""
    """Empty: none."""


class Living(msgspec.Struct, frozen=True):
    """A token that lives, with the rows it names."""

    token: tokens.AccessToken
    client: Client
    grant: Grant | None
    """None: the client asked in its own name."""


async def signer(ports: Ports) -> Signer:
    """The signer, with the keys that are published now (OIDC Core §10.1.1)."""
    ports.signer.know(await ports.store.signing_keys(), ports.now())
    return ports.signer


async def mint(ports: Ports, client: Client, target: Target, grant: Grant | None = None, refresh_token: str = "") -> Issued:
    """An access token for a client, in its own name or under a grant, and the refresh token that goes with it.

    Raises `Refusal` (``invalid_target``) rather than make one that is too long to be read again.
    """
    now = ports.now()
    lifetime = ports.settings.jwt_lifetime if target.form == "jwt" else ports.settings.opaque_token_lifetime
    token = tokens.AccessToken(
        jti=ports.entropy(16),
        client_id=client.client_id,
        route=client.route,
        incarnation=client.incarnation,
        epoch=client.epoch,
        subject=client.client_id if grant is None else base64url.encode(grant.person),
        scope=target.scope,
        audience=target.audience,
        issued_at=now,
        expires_at=now + lifetime,
        grant=None if grant is None else grant.id,
        grant_epoch=0 if grant is None else grant.epoch,
        person_epoch=0 if grant is None else grant.person_epoch,
    )
    made = await _signed(ports, token) if target.form == "jwt" else _sealed(ports, token)
    if len(made) > LONGEST:
        raise Refusal(No.INVALID_TARGET, f"resource: the token would have more than {LONGEST} characters; name fewer (RFC 8707 section 2)")
    ports.store.used(client, now // 86400)
    return Issued(made, "Bearer", lifetime, target.scope, refresh_token)


LONGEST = seals.ACCESS_TOKEN.longest
"""Characters of an access token, whatever its form: what fits into a header everywhere."""


async def _signed(ports: Ports, token: tokens.AccessToken) -> str:
    return (await signer(ports)).sign(tokens.to_claims(token, ports.settings.issuer), tokens.TYP)


def _sealed(ports: Ports, token: tokens.AccessToken) -> str:
    return seals.write(ports.keyring, seals.ACCESS_TOKEN, tokens.to_bytes(token), ports.entropy(seals.NONCE))


async def give(ports: Ports, known: Known, grant: Grant, chosen: Target, nonce: str) -> Issued:
    """Everything a grant gives at an exchange; ``nonce`` is empty but for the first one (OIDC Core §3.1.3.3). Raises as `mint`."""
    issued = await mint(ports, known.client, chosen, grant, _refresh(ports, known, grant))
    if "openid" not in grant.scope.split():
        return issued
    return structs.replace(issued, id_token=await _identity(ports, known, grant, issued, nonce))


def _refresh(ports: Ports, known: Known, grant: Grant) -> str:
    """The newest refresh token of the grant, if the client registered that grant type (H-04)."""
    if "refresh_token" not in ports.ground.grant_types or not holds(known.card, "grant_types", "refresh_token"):
        return ""
    row = grant.refresh
    return write(ports.keyring, ports.settings.issuer, Handle(REFRESH_TOKEN, row.issued_key, grant.client_key + grant.id, row.issued))


async def _identity(ports: Ports, known: Known, grant: Grant, issued: Issued, nonce: str) -> str:
    """An ID token, signed as the client registered (OIDC Core §2)."""
    signed = idtokens.Signed(base64url.encode(grant.person), known.client.client_id, grant.auth_time, grant.amr, nonce)
    claims = idtokens.claims(signed, ports.settings.issuer, ports.now(), ports.settings.id_token_lifetime, issued.access_token)
    alg = known.card.get("id_token_signed_response_alg")
    return (await signer(ports)).sign(claims, idtokens.TYP, alg if isinstance(alg, str) else idtokens.DEFAULT_ALG)


async def read(ports: Ports, text: str) -> tokens.AccessToken | None:
    """The claims of an access token of ours, sealed or signed; None for anything else (A-72)."""
    plain = seals.read(ports.keyring, seals.ACCESS_TOKEN, text)
    if plain is not None:
        return tokens.from_bytes(plain)
    if text.count(".") != 2 or len(text) > LONGEST:
        return None
    claims = (await signer(ports)).verify(text, tokens.TYP)
    return None if claims is None else tokens.from_claims(claims, ports.settings.issuer)


async def living(ports: Ports, token: tokens.AccessToken) -> Living | None:
    """The token with its rows, if every row it names exists, is active and has the token's epoch; else it is dead."""
    if token.expires_at <= ports.now():
        return None
    rows = await ports.store.living(client_key(token.route, token.client_id), token.jti, token.grant)
    client = rows.client
    if client is None or rows.marked or client.state is State.SUSPENDED or client.epoch != token.epoch:
        return None
    if client.client_id != token.client_id or not hmac.compare_digest(client.incarnation, token.incarnation):
        return None
    if token.grant is None:
        return Living(token, client, None) if client.state is State.ACTIVE else None
    grant = _allowed(token, client, rows)
    if grant is None or (client.state is State.HELD and not await admits(ports, client, grant.person)):
        return None
    return Living(token, client, grant)


async def registrant(ports: Ports, text: str) -> str:
    """For whom an access token registers clients: it is for us alone, with the scope for it (RFC 7591 §3, R-27). Empty: for nobody."""
    scope, here = ports.settings.registration_scope, canonical(ports.place.userinfo)
    claims = await read(ports, text) if scope else None
    found = await living(ports, claims) if claims else None
    if found is None or scope not in found.token.scope.split() or [here] != list(map(canonical, found.token.audience)):
        return ""
    if found.grant is not None and scope not in found.grant.scope.split():
        return ""
    return found.token.subject


def _allowed(token: tokens.AccessToken, client: Client, rows: Rows) -> Grant | None:
    """The grant behind a person's token, if it and the person are what they were."""
    grant, person = rows.grant, rows.person
    if grant is None or grant.stage is not Stage.LIVE or not of_client(grant, client) or grant.epoch != token.grant_epoch:
        return None
    if person is None or not person.active or person.epoch != token.person_epoch or base64url.encode(grant.person) != token.subject:
        return None
    return grant
