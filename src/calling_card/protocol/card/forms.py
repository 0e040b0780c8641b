"""What clients said in forms before there was JSON: each parameter has a member of the vocabulary (Simple Registration draft 02 §3.1)."""

from collections.abc import Mapping
from dataclasses import dataclass

from calling_card.protocol.abroad.addresses import stays_on_device
from calling_card.protocol.card.vocabulary import MEMBERS, Kind
from calling_card.protocol.clients import JSON, Card, words
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.syntax import echo

SECTION = "Simple Registration draft 02 section 3.1"
_LISTS = frozenset({Kind.CALLBACKS, Kind.URLS, Kind.ORIGINS, Kind.TEXTS})
_OF_THE_REQUEST = frozenset({"type", "client_id", "client_secret"})
"""Parameters that say what is asked and by whom, and nothing about the client."""
_OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One spelling of one member."""

    member: str
    between: str = ""
    """What stands between the elements of a list; a space is any white space; empty: the member is no list."""

    def value(self, text: str) -> JSON:
        """The text as the member has it; blanks around an element, and elements of nothing else, do not count."""
        if not self.between:
            return text
        parts = (part.strip() for part in (text.split() if self.between == " " else text.split(self.between)))
        return [part for part in parts if part]


PARAMETERS: Mapping[str, Parameter] = {
    **{row.form_name: Parameter(row.name, "," if row.kind in _LISTS else "") for row in MEMBERS.values() if row.form_name},
    "redirect_uri": Parameter("redirect_uris", ","),
    "redirect_uris": Parameter("redirect_uris", " "),
    "contacts": Parameter("contacts", " "),
    "client_name": Parameter("client_name"),
}
"""The draft's parameters, the spelling of its sample, and what its later drafts made of them (C-18)."""


def card(form: Mapping[str, str], *, unknown_refused: bool) -> Card:
    """What a form says about the client; a key may have a language tag behind a # as a member may.

    Raises `Refusal` when two spellings of one member disagree, or for an unknown parameter where those are refused.
    """
    said: Card = {}
    for name, text in form.items():
        base, mark, tag = name.partition("#")
        parameter = PARAMETERS.get(base)
        if parameter is not None:
            member, value = parameter.member + mark + tag, parameter.value(text)
            if not _same(said.setdefault(member, value), value):
                raise Refusal(No.INVALID_REQUEST, f"{echo(name)}: another spelling of it says something else; send one of them ({SECTION})")
        elif unknown_refused and name not in _OF_THE_REQUEST:
            raise Refusal(No.INVALID_CLIENT_METADATA, f"{echo(name)}: is not a parameter this server knows ({SECTION})")
    return said


def _same(one: JSON, other: JSON) -> bool:
    """Whether two values say the same; the order of a list says nothing."""
    return set(words(one)) == set(words(other)) if isinstance(one, list) else one == other


def app(said: Mapping[str, JSON]) -> Card:
    """What an application of Mastodon says about itself (Mastodon API, apps §create).

    Where every redirect stays on the device the application is a native one: it has no way to say so.
    Raises `Refusal` for one without a name, or that wants codes to be shown to people.
    """
    if said.get("client_name") in (None, ""):
        raise Refusal(No.INVALID_CLIENT_METADATA, "client_name: an application needs a name (Mastodon API, apps)")
    redirects = said.get("redirect_uris")
    if isinstance(redirects, str):
        redirects = list[JSON](redirects.split())
    if _OUT_OF_BAND in words(redirects):
        way = "a person who copies codes is easily deceived; register a loopback address or a scheme of your own"
        raise Refusal(No.INVALID_REDIRECT_URI, f"redirect_uris: {_OUT_OF_BAND} is not served: {way} (RFC 8252 section 7)")
    on_device = bool(words(redirects)) and all(map(stays_on_device, words(redirects)))
    told: Card = {
        "redirect_uris": redirects,
        "client_name": said["client_name"],
        "client_uri": said.get("website"),
        "scope": said.get("scopes"),
        "application_type": "native" if on_device else None,
    }
    return {name: value for name, value in told.items() if value is not None}
