"""Two ways to find out whether a token is good: ask the server that made it, or check its signature."""

import time

import httpx2
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from mcp.server.auth.provider import AccessToken


class ByIntrospection:
    """Asks about every token; one that is taken back is refused at once (RFC 7662)."""

    def __init__(self, issuer: str, resource: str, client_id: str, client_secret: str) -> None:
        self.endpoint = f"{issuer}/introspect"
        self.resource = resource
        self.http = httpx2.AsyncClient(auth=(client_id, client_secret), timeout=5)

    async def verify_token(self, token: str) -> AccessToken | None:
        """What the server says about the token, if it is active and for us."""
        answer = await self.http.post(self.endpoint, data={"token": token})
        answer.raise_for_status()
        said = answer.json()
        if not said["active"]:
            return None
        return AccessToken(
            token=token,
            client_id=said["client_id"],
            scopes=said.get("scope", "").split(),
            expires_at=said.get("exp"),
            resource=self.resource if is_for(said.get("aud"), self.resource) else None,
            subject=said.get("sub"),
            claims=said,
        )


def is_for(audience: object, resource: str) -> bool:
    """Whether a resource is the audience, or one of several."""
    return resource in audience if isinstance(audience, list) else resource == audience


class BySignature:
    """Checks JWTs alone with the server's public keys (RFC 9068 section 4)."""

    def __init__(self, issuer: str, resource: str) -> None:
        self.endpoint = f"{issuer}/jwks"
        self.resource = resource
        self.claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": resource},
            exp={"essential": True},
            sub={"essential": True},
        )
        self.keys = KeySet([])
        self.fetched = float("-inf")

    async def verify_token(self, token: str) -> AccessToken | None:
        """What a good token says."""
        try:
            good = await self._checked(token)
        except (JoseError, ValueError):
            return None
        said = good.claims
        return AccessToken(
            token=token,
            client_id=said["client_id"],
            scopes=said.get("scope", "").split(),
            expires_at=said["exp"],
            resource=self.resource,
            subject=said["sub"],
            claims=said,
        )

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
        async with httpx2.AsyncClient(timeout=5) as http:
            answer = await http.get(self.endpoint)
        self.keys = KeySet.import_key_set(answer.raise_for_status().json())
