"""Every way to say no: one row a refusal, and the exception that carries it (RFC 6749 §5.2, RFC 7591 §3.2.2)."""

import re
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Row:
    """The wire form of one refusal."""

    code: str
    """The ``error`` member of the answer."""
    status: int
    section: str
    meaning: str
    challenge: str = ""
    """The ``WWW-Authenticate`` value, or empty."""


class No(Enum):
    """The refusals. A row here is all that a new refusal needs."""

    INVALID_REQUEST = Row("invalid_request", 400, "RFC 6749 §5.2", "The request is malformed or names what it must not.")
    INVALID_REDIRECT_URI = Row("invalid_redirect_uri", 400, "RFC 7591 §3.2.2", "A redirect URI is missing or not acceptable.")
    INVALID_CLIENT_METADATA = Row("invalid_client_metadata", 400, "RFC 7591 §3.2.2", "A metadata member has a value that cannot be taken.")
    INVALID_SOFTWARE_STATEMENT = Row(
        "invalid_software_statement", 400, "RFC 7591 §3.2.2", "The software statement is malformed, not signed as it must be, or over."
    )
    UNAPPROVED_SOFTWARE_STATEMENT = Row(
        "unapproved_software_statement", 400, "RFC 7591 §3.2.2", "The software statement, or whoever made it, is not approved here."
    )
    INVALID_GRANT = Row("invalid_grant", 400, "RFC 6749 §5.2", "The token or grant is not valid for this client.")
    UNAUTHORIZED_CLIENT = Row("unauthorized_client", 400, "RFC 6749 §5.2", "The client is not registered for this grant type.")
    UNSUPPORTED_GRANT_TYPE = Row("unsupported_grant_type", 400, "RFC 6749 §5.2", "The server does not serve this grant type.")
    INVALID_SCOPE = Row("invalid_scope", 400, "RFC 6749 §5.2", "None of the requested scopes can be granted.")
    INVALID_TARGET = Row("invalid_target", 400, "RFC 8707 §2", "The requested resource is unknown or malformed.")
    INVALID_CLIENT = Row("invalid_client", 401, "RFC 6749 §5.2", "Client authentication failed.")
    INVALID_TOKEN = Row(
        "invalid_token", 401, "RFC 6750 §3.1", "The presented bearer token is not valid here.", 'Bearer error="invalid_token"'
    )
    NO_TOKEN = Row("invalid_token", 401, "RFC 6750 §3.1", "A bearer token is needed and none was sent.", 'Bearer realm="registration"')
    NO_ACCESS_TOKEN = Row("invalid_token", 401, "RFC 6750 §3.1", "An access token is needed and none was sent.", 'Bearer realm="userinfo"')
    INSUFFICIENT_SCOPE = Row(
        "insufficient_scope",
        403,
        "RFC 6750 §3.1",
        "The token lives, but not for this.",
        'Bearer error="insufficient_scope", scope="openid"',
    )
    UNKNOWN_CLIENT = Row("invalid_client", 400, "RFC 6749 §4.1.2.1", "No such client, so nobody to send the browser back to.")
    UNSUPPORTED_RESPONSE_TYPE = Row("unsupported_response_type", 400, "RFC 6749 §4.1.2.1", "The server does not serve this response type.")
    LOGIN_REQUIRED = Row("login_required", 400, "OIDC Core §3.1.2.6", "The person would have to sign in, and may not be asked.")
    CONSENT_REQUIRED = Row("consent_required", 400, "OIDC Core §3.1.2.6", "The person would have to say yes, and may not be asked.")
    INTERACTION_REQUIRED = Row("interaction_required", 400, "OIDC Core §3.1.2.6", "The person would have to click, and may not be asked.")
    REQUEST_NOT_SUPPORTED = Row("request_not_supported", 400, "OIDC Core §3.1.2.6", "Request objects are not served.")
    REQUEST_URI_NOT_SUPPORTED = Row("request_uri_not_supported", 400, "OIDC Core §3.1.2.6", "Requests by reference are not served.")
    REGISTRATION_NOT_SUPPORTED = Row("registration_not_supported", 400, "OIDC Core §3.1.2.6", "Self-issued registration is not served.")
    DENIED = Row("access_denied", 403, "RFC 6749 §4.1.2.1", "The person said no.")
    SIGN_IN_FAILED = Row("sign_in_failed", 400, "OIDC Core §3.1.2.3", "Name and password, or the passkey, do not fit.")
    PAGE_EXPIRED = Row("page_expired", 400, "RFC 9700 §4.7", "The form is too old, or this browser was not given it.")
    CROSS_SITE = Row("cross_site", 403, "RFC 9700 §4.7", "The form came from another site.")
    ACCESS_DENIED = Row("access_denied", 403, "RFC 7592 §2", "The caller is known, but this operation is not allowed.")
    HELD = Row("access_denied", 403, "RFC 6749 §4.1.2.1", "The client waits for approval, and this is not a person who may try it.")
    NOT_FOUND = Row("not_found", 404, "RFC 9110 §15.5.5", "There is nothing at this path.")
    METHOD_NOT_ALLOWED = Row("invalid_request", 405, "RFC 9110 §15.5.6", "The path exists, the method does not.")
    TOO_SLOW = Row("invalid_request", 408, "RFC 9110 §15.5.9", "The body did not arrive in time.")
    TOO_LARGE = Row("invalid_request", 413, "RFC 9110 §15.5.14", "The body is larger than this endpoint takes.")
    UNSUPPORTED_MEDIA_TYPE = Row("invalid_request", 415, "RFC 9110 §15.5.16", "The body has a type or encoding that is not taken here.")
    TOO_MANY_REQUESTS = Row("temporarily_unavailable", 429, "RFC 6585 §4", "A budget is used up; Retry-After says how long to wait.")
    SERVER_ERROR = Row("server_error", 500, "RFC 6749 §4.1.2.1", "Something failed inside; the reference finds it in the log.")
    UNAVAILABLE = Row("temporarily_unavailable", 503, "RFC 6749 §4.1.2.1", "The server cannot store or is stopping; try again.")

    @property
    def code(self) -> str:
        """The ``error`` member of the answer."""
        return self.value.code

    @property
    def status(self) -> int:
        """The HTTP status this refusal has by its specification."""
        return self.value.status


_NOT_PLAIN = re.compile(r"[^ !#-\[\]-~]")


def plain(text: str) -> str:
    """A description as RFC 6749 §5.2 allows it: printable ASCII without quotation mark and backslash."""
    return _NOT_PLAIN.sub("?", text)


class Refusal(Exception):
    """A decision against the request: what the client is told, and what only the log learns."""

    def __init__(
        self,
        no: No,
        description: str,
        *,
        errors: tuple["Refusal", ...] = (),
        logged: str = "",
        retry_after: int = 0,
        basic: bool = False,
    ) -> None:
        """``errors`` are all problems found, this one first; ``retry_after`` is in seconds; ``basic``: the client tried HTTP Basic."""
        super().__init__(description)
        self.no = no
        self.description = description
        self.errors = errors
        self.logged = logged
        self.retry_after = retry_after
        self.basic = basic
