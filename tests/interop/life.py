"""The life that every client of another maker lives here, told as steps, and what must be true of each."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

SERVER_MEMBERS = ("registration_access_token", "registration_client_uri", "client_id_issued_at", "client_secret_expires_at")
"""What an answer adds and a replacement must leave out (RFC 7592 §2.2)."""

NEW_NAME = "Tide tables, second edition"


SERVICE: dict[str, object] = {
    "client_name": "Tide tables",
    "client_name#ja": "潮見表",
    "client_uri": "https://tides.example/",
    "contacts": ["harbour@tides.example"],
    "grant_types": ["client_credentials"],
    "policy_uri": "https://tides.example/privacy",
    "software_id": "0b0d2f2e-0d53-4a52-9b5e-6a4c1f1c7a11",
    "software_version": "1.4",
    "tos_uri": "https://tides.example/terms",
}
"""A program that acts for itself."""

KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "kid": "2026",
    "use": "sig",
    "alg": "ES256",
}
"""The public key of the example in RFC 7515 appendix A.3."""

WEB_APPLICATION: dict[str, object] = {
    **SERVICE,
    "application_type": "web",
    "default_max_age": 3600,
    "grant_types": ["authorization_code", "client_credentials", "refresh_token"],
    "id_token_signed_response_alg": "ES256",
    "initiate_login_uri": "https://tides.example/login",
    "jwks": {"keys": [KEY]},
    "logo_uri": "https://tides.example/logo.png",
    "post_logout_redirect_uris": ["https://tides.example/bye"],
    "redirect_uris": ["https://tides.example/callback", "https://tides.example/second?with=query"],
    "response_types": ["code"],
    "subject_type": "public",
}
"""A program that people sign in to, and that also acts for itself."""


@dataclass(frozen=True, slots=True)
class Introspector:
    """The credential that a resource server asks about tokens with (RFC 7662 §2.1)."""

    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a client is told before it begins; the drivers of other languages read it as JSON."""

    issuer: str
    initial_access_token: str
    resource: str
    introspector: Introspector
    method: str
    program: dict[str, object]
    """One of the programs above."""
    new_name: str = NEW_NAME
    scope: str = "tides:read tides:write"

    @property
    def card(self) -> dict[str, object]:
        """What the client says of itself."""
        return {**self.program, "scope": self.scope, "token_endpoint_auth_method": self.method}

    def told(self) -> bytes:
        """The plan as a driver in another language reads it."""
        return msgspec.json.encode({**msgspec.to_builtins(self), "card": self.card})


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that a client did, in its own view; what its library does not show is left out."""

    step: str
    issuer: str = ""
    card: dict[str, object] = {}
    scope: str = ""
    token_type: str = ""
    expires_in: int = 0
    active: bool | None = None
    client_id: str = ""
    status: int = 0
    error: str = ""


LIFE = (
    "discover",
    "register",
    "token",
    "introspect",
    "ask_about_own",
    "revoke",
    "introspect_revoked",
    "read",
    "update",
    "read_updated",
    "second_token",
    "introspect_second",
    "delete",
    "introspect_orphan",
    "token_refused",
    "read_refused",
)


def steps_from(lines: str) -> list[Step]:
    """The steps that a driver printed, one JSON object a line."""
    return [msgspec.json.decode(line, type=Step) for line in lines.splitlines() if line.startswith("{")]


def assert_a_whole_life(plan: Plan, lived: Iterable[Step]) -> None:
    """Every step happened, in order, and showed what its specification promises."""
    steps = {step.step: step for step in lived}
    assert tuple(steps) == LIFE
    assert steps["discover"].issuer == plan.issuer
    assert_registered(plan, steps["register"].card)
    assert_tokens(plan, steps)
    assert_replaced(plan, steps)
    assert_gone(steps)


def assert_registered(plan: Plan, card: dict[str, object]) -> None:
    """The answer states everything that was said, and how to come back (RFC 7591 §3.2.1, RFC 7592 §3)."""
    assert {name: card.get(name) for name in plan.card} == plan.card
    assert card["client_id"]
    assert card["client_secret"]
    assert card["client_secret_expires_at"] == 0
    assert card["registration_access_token"]
    assert str(card["registration_client_uri"]).startswith(plan.issuer)


def assert_tokens(plan: Plan, steps: dict[str, Step]) -> None:
    """Tokens work, say what they are for, and end when they are revoked (RFC 6749 §4.4, RFC 7662 §2.2, RFC 7009 §2)."""
    client_id = steps["register"].card["client_id"]
    for name in ("token", "second_token"):
        assert steps[name].token_type.lower() == "bearer"
        assert steps[name].expires_in > 0
        assert set(steps[name].scope.split()) == set(plan.scope.split())
    for name in ("introspect", "ask_about_own", "introspect_second"):
        assert steps[name].active is True
        assert steps[name].client_id == client_id
        assert set(steps[name].scope.split()) == set(plan.scope.split())
    assert steps["introspect_revoked"].active is False


def assert_replaced(plan: Plan, steps: dict[str, Step]) -> None:
    """A card that is sent back with a new name has the new name, and nothing else is different (RFC 7592 §2.2)."""
    registered, read = steps["register"].card, steps["read"].card
    assert without_credentials(read) == without_credentials(registered)
    for name in ("update", "read_updated"):
        assert without_credentials(steps[name].card) == {**without_credentials(registered), "client_name": plan.new_name}
        assert steps[name].card["registration_access_token"]


def without_credentials(card: dict[str, object]) -> dict[str, object]:
    """The part of a card that no rotation changes."""
    return {name: value for name, value in card.items() if name not in {"registration_access_token", "client_secret"}}


def assert_gone(steps: dict[str, Step]) -> None:
    """After the deletion nothing of the client works: its tokens, its secret, its way back (RFC 7592 §2.3)."""
    assert steps["delete"].status == 204
    assert steps["introspect_orphan"].active is False
    assert steps["token_refused"].error == "invalid_client"
    assert steps["token_refused"].status in (0, 401)
    assert steps["read_refused"].status == 401
    assert steps["read_refused"].error == "invalid_token"
