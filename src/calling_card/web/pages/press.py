"""The press: a view and the texts of a language become a page; the only module that knows the template library."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from calling_card.protocol.abroad.addresses import FORBIDDEN_SCHEMES, AddressError, host_of, split_url
from calling_card.protocol.abroad.lookalikes import written
from calling_card.protocol.persons.people import SHORTEST_PASSWORD
from calling_card.web.pages.agents import known_as
from calling_card.web.pages.messages import MESSAGES
from calling_card.web.pages.tame import tame
from calling_card.web.pages.views import Account, Consent, Leaving, Onward, Posted, Problem, SignedOut, SignIn, View

_TEMPLATES: Mapping[type[View], str] = {
    SignIn: "sign_in.html",
    Consent: "consent.html",
    Account: "account.html",
    Problem: "problem.html",
    SignedOut: "signed_out.html",
    Leaving: "leaving.html",
    Onward: "onward.html",
    Posted: "posted.html",
}
_MILD = frozenset(id.removeprefix("scope.") for id in MESSAGES if id.startswith("scope.")) - {"offline_access"}
"""Scopes that say in words of ours what they allow, and allow little."""


def press(view: View, language: str, texts: Mapping[str, str], issuer: str) -> str:
    """The page; ``issuer`` gives the name on it and the path before those of its assets."""
    name = "not_found.html" if isinstance(view, Problem) and view.code == "not_found" else _TEMPLATES[type(view)]
    return _environment().get_template(name).render(_tools(language, texts) | {"view": view, **_place(issuer)})


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def _source(name: str) -> str:
    return resources.files("calling_card.web.pages").joinpath("templates", name).read_text("utf-8")


def _place(issuer: str) -> Mapping[str, object]:
    """Which server this is."""
    try:
        url = split_url(issuer)
    except AddressError:
        return {"root": "", "server": ""}
    return {"root": url.path.rstrip("/"), "server": url.authority or ""}


def _tools(language: str, texts: Mapping[str, str]) -> dict[str, object]:
    """What templates call to speak one language."""

    def t(id: str, **values: object) -> Markup:
        return escape(texts[id]).format(**values)

    def either(id: str, otherwise: str, **values: object) -> Markup:
        return t(id if id in texts else otherwise, **values)

    def date(at: int) -> Markup:
        day = datetime.fromtimestamp(at, UTC).date()
        return Markup('<time datetime="{}">{}</time>').format(day.isoformat(), t("date", year=day.year, month=day.month, day=day.day))

    functions: dict[str, Callable[..., Markup]] = {"t": t, "either": either, "date": date}
    return {"language": language, **functions, **_TOOLS}


def said(text: str) -> Markup:
    """What a stranger said, isolated from the text around it."""
    return Markup('<bdi class="said">{}</bdi>').format(tame(text))


def place(host: str) -> Markup:
    """A host as people read it: in its own letters with the A-labels beside, unless those letters could deceive (X-51)."""
    own = written(host)
    return said(host) if not own else Markup('{} <span class="ascii">({})</span>').format(said(own), said(host))


def leads(url: str) -> str:
    """An address that may stand behind a link or form: a path of ours, or a scheme that neither runs code nor reads files; else empty."""
    if ours(url):
        return url
    try:
        return "" if split_url(url, 65536).scheme in FORBIDDEN_SCHEMES else url
    except AddressError:
        return ""


def ours(url: str) -> str:
    """A path of ours, from where a page may load something; else empty."""
    return url if url.startswith("/") and not url.startswith(("//", "/\\")) else ""


def mild(scopes: Sequence[str]) -> list[str]:
    """The scopes that need no second thought."""
    return [scope for scope in scopes if scope in _MILD]


def strong(scopes: Sequence[str]) -> list[str]:
    """All others: nobody here can say what they allow, or it is a lot."""
    return [scope for scope in scopes if scope not in _MILD]


_TOOLS: Mapping[str, object] = {
    "said": said,
    "tame": tame,
    "place": place,
    "leads": leads,
    "ours": ours,
    "host_of": host_of,
    "known_as": known_as,
    "mild": mild,
    "strong": strong,
    "shortest_password": SHORTEST_PASSWORD,
}
"""What templates call in any language."""
