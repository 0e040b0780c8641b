"""A registration that nobody has to keep: the client_id is the card itself, compressed and sealed (CREDENTIALS §6).

The card is deflated with a dictionary of the words that cards are made of. A dictionary is for ever as it was written: cards made with it
are out there. A better one is another row with the next number, and new cards are made with that.
"""

import struct
import zlib
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import msgspec

from calling_card.protocol.handles.seals import Seal, Sealing, unwrap, wrap

CARD = Seal("client", "cs_", 512, "A client_id that is the whole registration, sealed.")
INCARNATION = 8
"""Bytes of the random nonce that are the incarnation too; all twelve are what makes two equal cards two clients."""
MOST = 8192
"""Bytes are never inflated to more than this (CREDENTIALS §6)."""

_HEAD = struct.Struct(">BIII")
_RAW = -15
"""Deflate without a header: what that would say is known."""
_WINDOW, _MEMORY = -13, 5
"""What is enough to press a card behind its dictionary; with more, most of the time goes into clearing memory."""

_METHOD = b'"token_endpoint_auth_method":"client_secret_'
_ENDS = b'"introspection_endpoint_auth_method":"%b","revocation_endpoint_auth_method":"%b"}'
_DEFAULTS = (
    b'"scope":"openid","subject_type":"public","id_token_signed_response_alg":"RS256","require_auth_time":false,"request_uris":[],'
    b'"post_logout_redirect_uris":[],"require_signed_request_object":false,'
)
_ONE = (
    b'","frontchannel_logout_session_required":true,"backchannel_logout_session_required":true,"frontchannel_logout_uri":"'
    b'","backchannel_logout_uri":"","sector_identifier_uri":"","initiate_login_uri":"","default_acr_values":["","default_max_age":86400,'
    b'"id_token_encrypted_response_alg":"RSA-OAEP-256","id_token_encrypted_response_enc":"A256GCM","userinfo_signed_response_alg":"'
    b'"userinfo_encrypted_response_alg":"","userinfo_encrypted_response_enc":"A128CBC-HS256","request_object_signing_alg":"ES256",'
    b'"request_object_encryption_alg":"ECDH-ES","request_object_encryption_enc":"token_endpoint_auth_signing_alg":"EdDSA",'
    b'"introspection_signed_response_alg":"","authorization_signed_response_alg":"","tls_client_certificate_bound_access_tokens":false,'
    b'"dpop_bound_access_tokens":true,"require_pushed_authorization_requests":true,"authorization_details_types":["'
    b'"organization_name":"","organization_uri":"","description":"","keywords":["","information_uri":"","display_name":"","js_origins":["'
    b'"jwks":{"keys":[{"kty":"EC","crv":"P-256","use":"sig","kid":"","alg":"ES256","x":"","y":"","kty":"RSA","n":"","e":"AQAB"}]},'
    b'"subject_type":"pairwise","response_modes":["query","fragment","form_post"],"response_types":["code id_token","id_token token"],'
    b'"grant_types":["implicit","client_credentials","urn:ietf:params:oauth:grant-type:device_code"],"software_id":"'
    b'"software_version":"1.0.0","contacts":["@example.com"],"tos_uri":"https://www.","policy_uri":"https://","logo_uri":"https://'
    b'/privacy","/terms","/logo.png","/favicon.ico","/icon.svg","jwks_uri":"https://.well-known/jwks.json","client_uri":"https://github.com/'
    b'modelcontextprotocol/",".com/oauth/callback",".io/oauth2/callback",".dev/redirect",".ai/api/mcp/auth_callback",".net/auth/callback",'
    b'".org/signin-oidc","/login/callback","/agents/mcp/oauth/callback","://oauth/callback","com.","client_name#","https://chatgpt.com/'
    b'connector/oauth/","https://claude.ai/api/mcp/auth_callback","https://vscode.dev/redirect","https://insiders.vscode.dev/redirect",'
    b'"http://[::1]:","http://localhost:3000/callback","http://localhost:8080/oauth/callback","http://127.0.0.1:33418/","http://127.0.0.1/",'
    b'"scope":"offline_access","scope":"openid profile email offline_access","client_name":"MCP Client","client_name":"'
    b'","redirect_uris":["http://127.0.0.1:","redirect_uris":["https://","redirect_uris":["http://localhost:'
    + b"".join(
        (
            b'/callback"],"grant_types":["authorization_code"],"response_types":["code"],' + _METHOD + b'post","application_type":"web",',
            _DEFAULTS + _ENDS % (b"client_secret_post", b"client_secret_post"),
            b'/cb"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],' + _METHOD,
            b'basic","application_type":"web",' + _DEFAULTS + _ENDS % (b"client_secret_basic", b"client_secret_basic"),
            b'{"client_name":"","redirect_uris":["http://localhost:/oauth/callback"],"grant_types":["authorization_code","refresh_token"],',
            b'"response_types":["code"],"token_endpoint_auth_method":"none","application_type":"native",',
            _DEFAULTS + _ENDS % (b"none", b"none"),
        )
    )
)
DICTIONARIES: Mapping[int, bytes] = MappingProxyType({1: _ONE})
"""By number, from 1 to 255; none ever changes or goes while a card that was made with it may live."""


class Sealed(msgspec.Struct, frozen=True):
    """What a client_id says that is a card."""

    key: int
    """Number of the keyring key it is sealed under, and under which its first credentials are."""
    incarnation: bytes
    issued_at: int
    expires_at: int
    """Seconds since 1970; from then on the card says nothing any more."""
    secret_expires_at: int
    """Seconds since 1970; 0: never."""
    metadata: bytes
    """The card in force when it was sealed, as compact JSON in UTF-8."""


class Lives(msgspec.Struct, frozen=True):
    """How long what is made now is good, in seconds."""

    card: int
    secret: int
    """0: for ever."""


def write(keys: Sealing, metadata: bytes, nonce: bytes, now: int, lives: Lives) -> str | None:
    """The client_id that says this; ``nonce`` has 12 random bytes. None: it would be longer than a client_id may be."""
    key = keys.minting
    number = max(DICTIONARIES)
    press = _press(number).copy()
    plain = _HEAD.pack(number, now, lives.card, lives.secret) + press.compress(metadata) + press.flush()
    text = wrap(CARD, key, nonce, keys.seal(CARD.name, plain, nonce))
    return text if len(text) <= CARD.longest and len(metadata) < MOST else None


@cache
def _press(number: int) -> "zlib._Compress":  # pyright: ignore[reportPrivateUsage] # the only name there is for it
    """One that has read a dictionary, to be copied for each card."""
    return zlib.compressobj(9, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, DICTIONARIES[number])


def said(key: int, metadata: bytes, nonce: bytes, now: int, lives: Lives) -> Sealed:
    """What a client_id says that was made of this under the key, as `read` would find it."""
    return Sealed(key, nonce[:INCARNATION], now, now + lives.card, now + lives.secret if lives.secret else 0, metadata)


def read(keys: Sealing, client_id: str) -> Sealed | None:
    """What a client_id says that is a card of ours, be it long over; None: it is none, or its key is not honoured any more."""
    outer = unwrap(CARD, client_id)
    plain = None if outer is None else keys.open(outer.key, CARD.name, outer.nonce, outer.sealed)
    if outer is None or plain is None:
        return None
    number, issued_at, life, secret = _HEAD.unpack_from(plain.ljust(_HEAD.size, b"\0"))
    metadata = _inflated(plain[_HEAD.size :], number)
    return None if metadata is None else said(outer.key, metadata, outer.nonce, issued_at, Lives(life, secret))


def _inflated(pressed: bytes, number: int) -> bytes | None:
    """The bytes that were pressed with this dictionary; None: it is not known, or they are more than a card may have."""
    dictionary = DICTIONARIES.get(number)
    if dictionary is None:
        return None
    unpressed = zlib.decompressobj(_RAW, dictionary)
    try:
        found = unpressed.decompress(pressed, MOST)
    except zlib.error:
        return None
    return found if unpressed.eof else None


def mark_until(keys: Sealing, client_id: str, usual: int) -> int:
    """Until when it must be known that a client is gone: as ``usual``, and at least as long as a card of it could be opened."""
    card = read(keys, client_id)
    return usual if card is None else max(usual, card.expires_at)
