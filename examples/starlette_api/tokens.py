"""Two ways to find out whether a token is good: ask the server that made it, or check its signature."""

import time
from typing import TypedDict

import httpx
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet


class Said(TypedDict):
    """What this API reads of a good token."""

    sub: str
    scope: str


class ByIntrospection:
    """Asks about every token; one that is taken back is refused at once (RFC 7662)."""

    def __init__(self, issuer: str, resource: str, client_id: str, client_secret: str) -> None:
        self.endpoint = f"{issuer}/introspect"
        self.resource = resource
        self.http = httpx.AsyncClient(auth=(client_id, client_secret), timeout=5)

    async def read(self, token: str) -> Said | None:
        """What the server says about the token, if it is active and for us."""
        answer = await self.http.post(self.endpoint, data={"token": token})
        said = answer.raise_for_status().json()
        if not said["active"] or not is_for(said.get("aud"), self.resource):
            return None
        return {"sub": said["sub"], "scope": said.get("scope", "")}


def is_for(audience: object, resource: str) -> bool:
    """Whether a resource is the audience, or one of several."""
    return resource in audience if isinstance(audience, list) else resource == audience


class BySignature:
    """Checks JWTs alone with the server's public keys (RFC 9068 section 4)."""

    def __init__(self, issuer: str, resource: str) -> None:
        self.endpoint = f"{issuer}/jwks"
        self.claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": resource},
            exp={"essential": True},
            sub={"essential": True},
        )
        self.keys = KeySet([])
        self.fetched = float("-inf")

    async def read(self, token: str) -> Said | None:
        """What a good token says."""
        try:
            good = await self._checked(token)
        except (JoseError, ValueError):
            return None
        return {"sub": good.claims["sub"], "scope": good.claims.get("scope", "")}

    async def _checked(self, token: str) -> jwt.Token:
        try:
            good = jwt.decode(token, self.keys, algorithms=["ES256"])
        except InvalidKeyIdError:
            await self._fetch_keys()
            good = jwt.decode(token, self.keys, algorithms=["ES256"])
        self.claims.validate(good.claims)
        if good.header.get("typ") != "at+jwt":
            raise ValueError("this JWT is no access token")
        return good

    async def _fetch_keys(self) -> None:
        if time.monotonic() < self.fetched + 30:  # whoever makes up key names must not make us ask each time
            return
        self.fetched = time.monotonic()
        async with httpx.AsyncClient(timeout=5) as http:
            answer = await http.get(self.endpoint)
        self.keys = KeySet.import_key_set(answer.raise_for_status().json())
