"""A view as HTTP: the page, its headers, and what an answer to a client looks like on its way through the browser."""

from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.persons.authorization import answer_url
from calling_card.usecases.authorize import Answer as ToClient
from calling_card.usecases.people.browsers import Visit
from calling_card.usecases.people.sign_in import Offer
from calling_card.web.browsers import number_cookie
from calling_card.web.http import NO_STORE, Answer
from calling_card.web.pages.views import Form, Onward, Posted, SignIn, View

_YEAR = 31536000


def page(
    ports: Ports,
    visit: Visit,
    view: View,
    *,
    status: int = 200,
    goes_to: str = "",
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> Answer:
    """A page in the reader's language; ``goes_to`` is where its form may lead in the end."""
    from calling_card.web.pages.render import headers, render  # pages are loaded with the first of them

    body = render(view, visit.languages, ports.settings.issuer)
    return Answer(status, body, (*headers(view, goes_to), *transport(ports), *number_cookie(ports, visit), *more))


def sign_in_form(ports: Ports, offer: Offer, name: str = "", problem: str = "") -> SignIn:
    """The form of somebody who came for the account page."""
    return SignIn(Form(ports.settings.base_path + "/sign-in", offer.transaction), None, name, problem, offer.passkey_options)


def transport(ports: Ports) -> tuple[tuple[bytes, bytes], ...]:
    """Pages of an https issuer are never asked for over http again (A-10)."""
    return ((b"strict-transport-security", f"max-age={_YEAR}".encode()),) if ports.settings.issuer.startswith("https:") else ()


def see_other(address: str, *more: tuple[bytes, bytes]) -> Answer:
    """303: the browser goes on with a GET and without a referrer (A-34)."""
    return Answer(303, b"", ((b"location", address.encode()), *NO_STORE, (b"referrer-policy", b"no-referrer"), *more))


def to_client(ports: Ports, visit: Visit, answer: ToClient) -> Answer:
    """The answer on its way to the client: a redirect, a form that sends itself, or a link to click."""
    address, shown = answer_url(answer.back, answer.members), answer.client
    if shown is None:
        return see_other(address, *number_cookie(ports, visit))
    visit = structs.replace(visit, languages=shown.languages)
    if answer.back.mode == "form_post" and shown.redirect_kind != "private":
        return page(ports, visit, Posted(answer.back.uri, tuple(answer.members.items()), shown), goes_to=answer.back.uri)
    if answer.click:
        return page(ports, visit, Onward(address, shown.redirect_host, shown))
    return see_other(address, *number_cookie(ports, visit))
