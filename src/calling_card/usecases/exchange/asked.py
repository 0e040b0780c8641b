"""A token request, whatever its grant type (RFC 6749 §4.1.3, §4.4.2, §6)."""

import msgspec

from calling_card.usecases.authenticate import Presented


class Asked(msgspec.Struct, frozen=True):
    """A token request."""

    presented: Presented
    grant_type: str
    scope: str = ""
    resources: tuple[str, ...] = ()
    code: str = ""
    redirect_uri: str = ""
    code_verifier: str = ""
    refresh_token: str = ""
