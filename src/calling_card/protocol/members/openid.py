"""OIDC Registration §2: what OpenID Connect adds."""

from calling_card.protocol.card.ground import Ground
from calling_card.protocol.card.rules import (
    default_enc,
    default_id_token_alg,
    default_subject_type,
    has_keys_for,
    needs,
    one_sector,
    signs,
    unsigned_in_code_flow_only,
)
from calling_card.protocol.members.row import Effect, Kind, Member

_SECTION = "OIDC Registration §2"


def encryption(response: str, what: str, section: str = _SECTION) -> tuple[Member, Member]:
    """The two rows by which a client asks for something to be encrypted to it."""
    alg = f"{response}_alg"
    return (
        Member(
            alg,
            Kind.ALG,
            section,
            f"Key encryption of {what}.",
            implied="not encrypted",
            served=encryption_algs,
            agrees=(has_keys_for(alg),),
            effect=Effect.REFUSED,
        ),
        Member(
            f"{response}_enc",
            Kind.ALG,
            section,
            f"Content encryption of {what}.",
            derive=default_enc,
            beside=alg,
            implied=f"A128CBC-HS256 when {alg} is present",
            served=encryption_encs,
            agrees=(needs(alg),),
            effect=Effect.REFUSED,
        ),
    )


def encryption_algs(ground: Ground) -> tuple[str, ...]:
    """JWE key encryption that is served."""
    return ground.encryption_algs


def encryption_encs(ground: Ground) -> tuple[str, ...]:
    """JWE content encryption that is served."""
    return ground.encryption_encs


def signing_algs(ground: Ground) -> tuple[str, ...]:
    """JWS algorithms that are served."""
    return ground.signing_algs


ROWS = (
    Member(
        "application_type",
        Kind.CHOICE,
        _SECTION,
        "Whether the client runs on a web server or on its user's device.",
        implied="web, or native for a public client whose redirects all stay on the device",
        known=("web", "native"),
        form_name="application_type",
    ),
    Member(
        "sector_identifier_uri",
        Kind.URL,
        _SECTION,
        "A file that lists the redirect URIs of one sector.",
        effect=Effect.REFUSED,
    ),
    Member(
        "subject_type",
        Kind.CHOICE,
        _SECTION,
        "Whether clients see the same subject or each its own.",
        derive=default_subject_type,
        implied="public",
        known=("public", "pairwise"),
        served=lambda ground: ground.subject_types,
        agrees=(one_sector,),
    ),
    Member(
        "id_token_signed_response_alg",
        Kind.ALG,
        _SECTION,
        "Algorithm that ID tokens are signed with.",
        derive=default_id_token_alg,
        implied="RS256",
        served=signing_algs,
        agrees=(unsigned_in_code_flow_only,),
    ),
    *encryption("id_token_encrypted_response", "ID tokens"),
    Member(
        "userinfo_signed_response_alg",
        Kind.ALG,
        _SECTION,
        "Algorithm that userinfo is signed with.",
        implied="plain JSON",
        rules=(signs,),
        served=signing_algs,
    ),
    *encryption("userinfo_encrypted_response", "userinfo"),
    Member(
        "request_object_signing_alg",
        Kind.ALG,
        _SECTION,
        "The one algorithm the client signs request objects with.",
        implied="any that is served",
        served=signing_algs,
    ),
    Member(
        "request_object_encryption_alg",
        Kind.ALG,
        _SECTION,
        "Key encryption the client may use for request objects.",
        served=encryption_algs,
        effect=Effect.REFUSED,
    ),
    Member(
        "request_object_encryption_enc",
        Kind.ALG,
        _SECTION,
        "Content encryption the client may use for request objects.",
        derive=default_enc,
        beside="request_object_encryption_alg",
        implied="A128CBC-HS256 when request_object_encryption_alg is present",
        served=encryption_encs,
        agrees=(needs("request_object_encryption_alg"),),
        effect=Effect.REFUSED,
    ),
    Member("default_max_age", Kind.NUMBER, _SECTION, "Seconds after which a person must sign in again, when the request does not say."),
    Member(
        "require_auth_time",
        Kind.FLAG,
        _SECTION,
        "Whether ID tokens must say when the person signed in.",
        default=False,
        effect=Effect.NARROWED,
    ),
    Member(
        "default_acr_values",
        Kind.CHOICES,
        _SECTION,
        "Strengths of sign-in to aim for when the request does not say.",
        served=lambda ground: ground.acr_values,
    ),
    Member("initiate_login_uri", Kind.URL, _SECTION, "Where a sign-in can be started from elsewhere."),
    Member(
        "request_uris",
        Kind.URLS,
        _SECTION,
        "Addresses of request objects that the client will use.",
        default=[],
        limit=lambda limits: limits.redirect_uris,
        fragment=True,
    ),
)
