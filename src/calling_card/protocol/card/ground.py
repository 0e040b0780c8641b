"""What this server serves and tolerates when it judges client metadata: the ground that the rules stand on (RFC 7591 §2)."""

from dataclasses import dataclass, field

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none")
ASSERTION_ALGS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
    *("HS256", "HS384", "HS512"),
)
"""What clients may sign the assertions with that prove who they are (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2)."""
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may say in one member; what is longer is refused by name."""

    url: int = 2048
    """Characters of a URL."""
    redirect_uris: int = 20
    """Elements of a list of redirect URIs or request URIs."""
    name: int = 256
    """Code points of a name that people see."""
    description: int = 1000
    """Code points of a longer text that people see."""
    opaque: int = 255
    """Code points of a value that only programs read."""
    items: int = 50
    """Elements of any other list."""
    contacts: int = 10
    """Elements of ``contacts``."""
    keywords: int = 20
    """Elements of ``keywords``."""
    keys: int = 20
    """Keys in ``jwks``."""
    variants: int = 50
    """Members with a language tag."""
    extension: int = 4096
    """Bytes of JSON in an extension member or an object member."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What is served now and how strangers are met; built once from the settings.

    The fields behind ``related_hosts`` are what later work extends: a member whose effect is not listed there is never
    stored as a promise.
    """

    issuer: str
    strict: bool = False
    """Refuse where the lenient profile narrows and says so."""
    auth_methods: tuple[str, ...] = AUTH_METHODS
    grant_types: tuple[str, ...] = GRANT_TYPES
    """Grant types that may be registered."""
    response_types: tuple[str, ...] = ("code",)
    default_grant_types: tuple[str, ...] = ("authorization_code",)
    extensions: tuple[str, ...] = ()
    """Extension members that are kept, by name; ``*``: any."""
    callbacks: tuple[str, ...] = ()
    """Exact private-use callbacks whose scheme has no dot."""
    limits: Limits = field(default_factory=Limits)
    store_inert: bool = True
    """Keep members that have no effect here."""
    bad_tag_ignored: bool = False
    """Drop a member with a malformed language tag instead of refusing it."""
    unknown_refused: bool = False
    """Refuse unknown members instead of ignoring them."""
    unknown_scopes_refused: bool = False
    """Refuse unknown scopes even where others remain."""
    infer_native: bool = True
    """Report public clients on loopback or private-use redirects as native when they do not say what they are."""
    related_hosts: str = "warn"
    """Shown links on hosts without a redirect URI: ``off``, ``warn`` or ``enforce``."""
    any_contact: bool = False
    """Take any text as a contact, not only e-mail addresses."""
    http_logout: bool = False
    """Let confidential clients have logout URIs with http."""
    signing_algs: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    """JWS algorithms; ``none`` here enables unsigned ID tokens and request objects."""
    assertion_algs: tuple[str, ...] = ASSERTION_ALGS
    """JWS algorithms of the assertions by which clients authenticate."""
    encryption_algs: tuple[str, ...] = ()
    encryption_encs: tuple[str, ...] = ()
    subject_types: tuple[str, ...] = ("public",)
    """The first is the default."""
    response_modes: tuple[str, ...] = ("query", "fragment", "form_post")
    acr_values: tuple[str, ...] = ()
    authorization_details_types: tuple[str, ...] = ()
    delivery_modes: tuple[str, ...] = ()
    """CIBA token delivery modes."""
    hold: tuple[str, ...] = ()
    """Tiers whose clients wait for approval."""
    effects: frozenset[str] = frozenset()
    """Members marked as binding whose effect is built."""
