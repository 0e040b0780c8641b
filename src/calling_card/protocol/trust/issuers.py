"""Issuers of software statements that an operator trusts: a row each, read strictly from what the operator wrote (RFC 7591 §2.3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import cast

from calling_card.protocol.abroad.addresses import web_problem
from calling_card.protocol.card.ground import ASSERTION_ALGS, Limits
from calling_card.protocol.card.keysets import keyset_problem
from calling_card.protocol.card.rules import is_symmetric
from calling_card.protocol.card.vocabulary import MEMBERS
from calling_card.protocol.clients import JSON

_SHORTEST_SECRET = 32
_CENTURY = 3_155_760_000


class BadIssuer(Exception):
    """What was written about an issuer cannot be used; the text names the issuer and the key."""


def _words() -> tuple[str, ...]:
    return ()


def _pairs() -> dict[str, str]:
    return {}


def _lists() -> dict[str, tuple[str, ...]]:
    return {}


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer, and what its statements are worth here. Each field is a key of the operator's file."""

    issuer: str = ""
    """The ``iss`` of its statements, compared exactly."""
    label: str = ""
    """Its name for people; empty: ``issuer``."""
    preset: str = ""
    """``uk`` or ``brazil``: what the keys are that are not written."""
    jwks: dict[str, JSON] = field(default_factory=dict[str, JSON])
    """Its public keys; in the file the path of a JWK Set."""
    jwks_uri: str = ""
    """Where it publishes its keys."""
    secret: str = field(default="", repr=False)
    """What it makes MACs with; in the file the path of a text."""
    algs: tuple[str, ...] = ("RS256", "PS256", "ES256")
    """Algorithms it signs with (R-64)."""
    audience: tuple[str, ...] = field(default_factory=_words)
    """What ``aud`` may name besides this server's issuer and registration endpoint."""
    max_age: int = 0
    """Seconds since ``iat`` that a statement is good for; 0: no end but its own."""
    once: bool = False
    """Whether a statement is good for one request, known by its ``jti`` (R-66)."""
    required: tuple[str, ...] = field(default_factory=_words)
    """Claims that must be there."""
    allowed: tuple[str, ...] = field(default_factory=_words)
    """Members that its claims may set; empty: all."""
    locked: tuple[str, ...] = field(default_factory=_words)
    """Members that a statement must say, and a request may narrow and not change (R-74); others the statement overrides."""
    names: dict[str, str] = field(default_factory=_pairs)
    """Claims with a name of their own, and the member each one means."""
    values: dict[str, tuple[str, ...]] = field(default_factory=_lists)
    """Members of which only these values are taken, the first when none is said (R-78)."""
    scopes: str = ""
    """Ceiling for scopes; empty: as without a statement."""
    grants: tuple[str, ...] = field(default_factory=_words)
    """Grant types its software may register; empty: as without a statement."""
    hosts: tuple[str, ...] = field(default_factory=_words)
    """Hosts redirect URIs may have; empty: any."""
    roles_claim: str = ""
    """Claim that lists the roles of the software; empty: roles mean nothing."""
    roles: dict[str, str] = field(default_factory=_pairs)
    """The scopes that each role opens; together they are the ceiling."""
    certificate: dict[str, str] = field(default_factory=_pairs)
    """Attributes of the client certificate's subject, and the claim each one must be (R-79)."""
    signed_requests: bool = False
    """Whether the whole request may be a JWS by the software's own key (R-76)."""
    fresh_on_update: bool = False
    """Whether a replacement needs a new statement (R-80)."""
    keep_token: bool = False
    """Whether a replacement leaves the registration access token as it is (R-80)."""
    replace_existing: bool = False
    """Whether a new registration ends those of the same software, where its statement proves more than who has read it (C-16)."""
    recovery: bool = False
    """Whether the software gets another registration access token by a statement, where that proves more than who has read it (M-42)."""
    instances: int = 0
    """Living registrations one software may have (R-70); 0: any number."""
    revoked: tuple[str, ...] = field(default_factory=_words)
    """Each ``software_id`` that is not approved any more (R-71)."""
    suspended: bool = False
    """Whether nothing of this issuer is approved for now."""

    @property
    def shown(self) -> str:
        """Its name for people."""
        return self.label or self.issuer

    @property
    def proves_bearer(self) -> bool:
        """Whether a plain statement proves who brings it: made for this server and good once, or shown with its client's certificate."""
        return bool(self.certificate) or (self.once and "aud" in self.required)


_SOFTWARE = {
    "software_client_name": "client_name",
    "software_client_uri": "client_uri",
    "software_client_description": "description",
    "software_logo_uri": "logo_uri",
    "software_policy_uri": "policy_uri",
    "software_tos_uri": "tos_uri",
    "software_redirect_uris": "redirect_uris",
    "org_name": "organization_name",
}
_SHOWN = ("client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri", "redirect_uris", "software_id", "organization_name")
_SIGNED_BY_ITSELF = {"token_endpoint_auth_method": ("private_key_jwt",), "token_endpoint_auth_signing_alg": ("PS256", "ES256")}

PRESETS: Mapping[str, Issuer] = {
    "uk": Issuer(
        algs=("PS256",),
        required=("iat", "jti", "software_id", "software_redirect_uris", "software_jwks_endpoint"),
        allowed=(*_SHOWN, "jwks_uri"),
        locked=("redirect_uris", "software_id", "jwks_uri"),
        names={**_SOFTWARE, "software_jwks_endpoint": "jwks_uri"},
        values=_SIGNED_BY_ITSELF,
        roles_claim="software_roles",
        roles={"AISP": "openid accounts", "PISP": "openid payments", "CBPII": "openid fundsconfirmations"},
        signed_requests=True,
        fresh_on_update=True,
        keep_token=True,
    ),
    "brazil": Issuer(
        algs=("PS256",),
        max_age=300,
        required=("iat", "software_id", "org_id", "software_redirect_uris", "software_jwks_uri"),
        allowed=(*_SHOWN, "jwks_uri"),
        locked=("redirect_uris", "software_id", "jwks_uri"),
        names={**_SOFTWARE, "software_jwks_uri": "jwks_uri"},
        values={**_SIGNED_BY_ITSELF, "token_endpoint_auth_signing_alg": ("PS256",)},
        roles_claim="software_roles",
        roles={"DADOS": "openid accounts consents resources", "PAGTO": "openid payments consents resources"},
        certificate={"organizationIdentifier": "org_id"},
        fresh_on_update=True,
        keep_token=True,
    ),
}
"""What Open Banking (United Kingdom, registration 3.x) and Open Finance (Brazil) ask for, as far as this server serves it."""

KEYS = tuple(row.name for row in fields(Issuer))
"""Every key that may be written about an issuer."""


def issuers_of(written: Sequence[object], own: str) -> Mapping[str, Issuer]:
    """The issuers by name; ``own`` is the issuer of this server, which states nothing about strangers (X-43). Raises `BadIssuer`."""
    found: dict[str, Issuer] = {}
    for number, one in enumerate(written, 1):
        row = _issuer_of(number, one)
        if row.issuer in found:
            raise BadIssuer(f"issuer {row.issuer}: is written twice")
        if row.issuer == own:
            raise BadIssuer(f"issuer {row.issuer}: is this server itself")
        found[row.issuer] = row
    return found


def _issuer_of(number: int, written: object) -> Issuer:
    if not isinstance(written, Mapping):
        raise BadIssuer(f"statement issuer {number}: is not a table")
    said = cast("Mapping[str, object]", written)
    name = said.get("issuer")
    if not isinstance(name, str) or not name:
        raise BadIssuer(f"statement issuer {number}: issuer: is missing")
    try:
        made = _filled(_base(said.get("preset", "")), said)
        _check(made)
    except BadIssuer as bad:
        raise BadIssuer(f"issuer {name}: {bad}") from None
    return made


def _base(preset: object) -> Issuer:
    if preset == "":
        return Issuer()
    if not isinstance(preset, str) or preset not in PRESETS:
        raise BadIssuer(f"preset: is none of {', '.join(PRESETS)}")
    return PRESETS[preset]


def _filled(base: Issuer, said: Mapping[str, object]) -> Issuer:
    unknown = next((key for key in said if key not in KEYS), "")
    if unknown:
        raise BadIssuer(f"{unknown}: there is no such key; keys are {', '.join(KEYS)}")
    read = {key: _value(key, value) for key, value in said.items()}
    return replace(base, **read)  # type: ignore[arg-type] # each value was read by the kind of its own field


def _value(key: str, value: object) -> object:
    called, read = _KINDS.get(key, _TEXT)
    made = read(value)
    if made is None:
        raise BadIssuer(f"{key}: is not {called}")
    return made


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _listed(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    found = tuple(item for item in items if isinstance(item, str) and item)
    return found if len(found) == len(items) else None


def _table(value: object) -> dict[str, object] | None:
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _texts(value: object) -> dict[str, object] | None:
    return _each(value, _text)


def _lists_of(value: object) -> dict[str, object] | None:
    return _each(value, _listed)


def _each(value: object, read: Callable[[object], object]) -> dict[str, object] | None:
    table = _table(value)
    if table is None:
        return None
    made = {name: read(one) for name, one in table.items()}
    return None if None in made.values() else made


_TEXT = ("a text", _text)
_KINDS: Mapping[str, tuple[str, Callable[[object], object]]] = {
    **dict.fromkeys(("max_age", "instances"), ("a whole number", _whole)),
    **dict.fromkeys(
        ("once", "signed_requests", "fresh_on_update", "keep_token", "replace_existing", "recovery", "suspended"),
        ("true or false", _flag),
    ),
    **dict.fromkeys(("algs", "audience", "required", "allowed", "locked", "grants", "hosts", "revoked"), ("a list of texts", _listed)),
    **dict.fromkeys(("names", "roles", "certificate"), ("a table of texts", _texts)),
    "values": ("a table of lists of texts", _lists_of),
    "jwks": ("a table", _table),
}
"""What kind of value a key has where it is not a text."""


def _check(row: Issuer) -> None:
    for problem in (_key_problem(row), _alg_problem(row), _name_problem(row), _number_problem(row)):
        if problem:
            raise BadIssuer(problem)


def _key_problem(row: Issuer) -> str:
    """One source of keys, and a good one (R-63)."""
    if sum(map(bool, (row.jwks, row.jwks_uri, row.secret))) != 1:
        return "jwks, jwks_uri, secret: exactly one of them is needed"
    if row.jwks_uri:
        problem = web_problem(row.jwks_uri, Limits().url)
        return f"jwks_uri: {problem}" if problem else ""
    if row.secret:
        return "" if len(row.secret.encode()) >= _SHORTEST_SECRET else f"secret: is shorter than {_SHORTEST_SECRET} bytes"
    problem = keyset_problem(row.jwks, Limits().keys)
    return f"jwks: {problem}" if problem else ""


def _alg_problem(row: Issuer) -> str:
    """A MAC needs a secret and a signature a key; nothing is good with both (R-64, X-40)."""
    taken = [alg for alg in ASSERTION_ALGS if is_symmetric(alg) == bool(row.secret)]
    wrong = next((alg for alg in row.algs if alg not in taken), "")
    if wrong or not row.algs:
        return f"algs: {wrong or 'an empty list'} is not one of {', '.join(taken)}"
    return ""


def _name_problem(row: Issuer) -> str:
    """Only members that are there can be meant."""
    for key in ("allowed", "locked", "names", "values"):
        written = getattr(row, key)
        for name in written.values() if key == "names" else written:
            if name not in MEMBERS:
                return f"{key}: {name} is not a member of client metadata"
    empty = next((name for name, values in row.values.items() if not values), "")
    if empty:
        return f"values: {empty} has none"
    if row.recovery and row.instances != 1 and not row.replace_existing:
        return "recovery: needs replace_existing or instances = 1: a statement tells software apart, and not its registrations"
    needs_proof = next((key for key in ("recovery", "replace_existing") if getattr(row, key)), "")
    if needs_proof and not (row.signed_requests or row.proves_bearer):
        return f"{needs_proof}: needs certificate, signed_requests, or once with aud among required: a statement alone is no secret"
    return "roles: needs roles_claim" if row.roles and not row.roles_claim else ""


def _number_problem(row: Issuer) -> str:
    for key in ("max_age", "instances"):
        if not 0 <= getattr(row, key) <= _CENTURY:
            return f"{key}: must not be negative or longer than a century"
    return ""
