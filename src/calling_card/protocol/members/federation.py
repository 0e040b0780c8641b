"""OpenID Federation §5, UMA Grant §2, NFV-SEC 022 and OpenID4VP: registered names, most of them kept without effect."""

from calling_card.protocol.errors import No
from calling_card.protocol.members.openid import encryption
from calling_card.protocol.members.row import Kind, Member

_ANY_WEB = ("https", "http")
_ORGANIZATION = "OIDC Federation §5.2.2"
_NFV = "ETSI NFV-SEC 022"

ROWS = (
    Member(
        "client_registration_types",
        Kind.CHOICES,
        "OIDC Federation §5.1.2",
        "Ways of federation by which the client registers.",
        known=("automatic", "explicit"),
    ),
    Member("signed_jwks_uri", Kind.URL, "OIDC Federation §5.2.1", "Where the client's keys are, signed; unused outside a federation."),
    Member(
        "organization_name",
        Kind.TEXT,
        _ORGANIZATION,
        "Whom the client says it belongs to.",
        limit=lambda limits: limits.name,
        i18n=True,
        shown=True,
    ),
    Member("organization_uri", Kind.URL, _ORGANIZATION, "Page about the organization.", schemes=_ANY_WEB, i18n=True, shown=True),
    Member(
        "description",
        Kind.TEXT,
        _ORGANIZATION,
        "A few words about the client, for people.",
        limit=lambda limits: limits.description,
        i18n=True,
        shown=True,
    ),
    Member(
        "keywords",
        Kind.TEXTS,
        _ORGANIZATION,
        "Words to find the client by, for administrators.",
        limit=lambda limits: limits.keywords,
        i18n=True,
        shown=True,
    ),
    Member("information_uri", Kind.URL, _ORGANIZATION, "More about the client.", schemes=_ANY_WEB, i18n=True, shown=True),
    Member(
        "claims_redirect_uris",
        Kind.CALLBACKS,
        "UMA Grant §2",
        "Where claims gathering sends the browser back to.",
        limit=lambda limits: limits.redirect_uris,
        no=No.INVALID_REDIRECT_URI,
        inert=True,
    ),
    Member("nfv_token_signed_response_alg", Kind.ALG, _NFV, "Algorithm of signed NFV tokens.", inert=True),
    *encryption("nfv_token_encrypted_response", "NFV tokens", _NFV),
    Member(
        "encrypted_response_enc_values_supported",
        Kind.TEXTS,
        "OpenID4VP §5.1",
        "Content encryption of presentations that the client understands.",
        inert=True,
    ),
    Member("vp_formats_supported", Kind.OBJECT, "OpenID4VP §11.1", "Formats of presentations that the client understands.", inert=True),
)
