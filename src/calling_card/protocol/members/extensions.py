"""Members outside the IANA list that peers use: CIBA §4, JARM §3, and the practice of other servers."""

from calling_card.protocol.card.ground import Ground
from calling_card.protocol.card.rules import (
    as_at_token,
    asymmetric,
    fits_method,
    has_endpoint_to_notify,
    keys_for,
    only_with_ciba,
    only_with_jwt,
    same_method,
    signs,
)
from calling_card.protocol.members.openid import encryption, signing_algs
from calling_card.protocol.members.row import Kind, Member

_PEERS = "RFC 7591 §2, extension"


def _auth_methods(ground: Ground) -> tuple[str, ...]:
    return ground.auth_methods


ROWS = (
    Member(
        "introspection_endpoint_auth_method",
        Kind.CHOICE,
        _PEERS,
        "How the client proves who it is at the introspection endpoint: as at the token endpoint.",
        derive=same_method,
        implied="token_endpoint_auth_method",
        served=_auth_methods,
        idle=as_at_token("introspection"),
        agrees=(keys_for("introspection"),),
    ),
    Member(
        "introspection_endpoint_auth_signing_alg",
        Kind.ALG,
        _PEERS,
        "Algorithm of the client's assertions at the introspection endpoint.",
        implied="token_endpoint_auth_signing_alg",
        rules=(signs,),
        idle=only_with_jwt("introspection"),
        agrees=(fits_method("introspection"),),
    ),
    Member(
        "revocation_endpoint_auth_method",
        Kind.CHOICE,
        _PEERS,
        "How the client proves who it is at the revocation endpoint: as at the token endpoint.",
        derive=same_method,
        implied="token_endpoint_auth_method",
        served=_auth_methods,
        idle=as_at_token("revocation"),
        agrees=(keys_for("revocation"),),
    ),
    Member(
        "revocation_endpoint_auth_signing_alg",
        Kind.ALG,
        _PEERS,
        "Algorithm of the client's assertions at the revocation endpoint.",
        implied="token_endpoint_auth_signing_alg",
        rules=(signs,),
        idle=only_with_jwt("revocation"),
        agrees=(fits_method("revocation"),),
    ),
    Member(
        "authorization_signed_response_alg",
        Kind.ALG,
        "JARM §3",
        "Algorithm of signed authorization responses.",
        implied="RS256 for responses that are asked for as a JWT",
        rules=(signs,),
        served=signing_algs,
    ),
    *encryption("authorization_encrypted_response", "authorization responses", "JARM §3"),
    Member(
        "backchannel_token_delivery_mode",
        Kind.CHOICE,
        "CIBA §4",
        "How the client learns that its token is ready.",
        known=("poll", "ping", "push"),
        served=lambda ground: ground.delivery_modes,
        idle=only_with_ciba,
        agrees=(has_endpoint_to_notify,),
    ),
    Member(
        "backchannel_client_notification_endpoint",
        Kind.URL,
        "CIBA §4",
        "Where this server tells the client that its token is ready.",
        idle=only_with_ciba,
    ),
    Member(
        "backchannel_authentication_request_signing_alg",
        Kind.ALG,
        "CIBA §4",
        "Algorithm of signed back-channel requests.",
        rules=(asymmetric,),
        served=signing_algs,
        idle=only_with_ciba,
    ),
    Member(
        "backchannel_user_code_parameter",
        Kind.FLAG,
        "CIBA §4",
        "Whether the client sends a code that its user knows.",
        implied="false",
        idle=only_with_ciba,
    ),
    Member(
        "response_modes",
        Kind.CHOICES,
        _PEERS,
        "Ways in which authorization responses reach the client.",
        implied="all that are served",
        known=("query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt", "jwt", "web_message"),
        served=lambda ground: ground.response_modes,
    ),
    Member(
        "display_name",
        Kind.TEXT,
        "OIDC Federation §5.2.2",
        "Another name for people, shown when there is no client_name.",
        limit=lambda limits: limits.name,
        i18n=True,
        shown=True,
    ),
    Member(
        "js_origins",
        Kind.ORIGINS,
        "Simple Registration draft 02 §3.1",
        "Origins of the client's pages that call this server from scripts.",
        implied="none",
        form_name="js_origin_url",
    ),
)
