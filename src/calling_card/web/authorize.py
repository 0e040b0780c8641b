"""The authorization endpoint and its two forms over HTTP (RFC 6749 §3.1, OIDC Core §3.1.2)."""

import re

from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.handles.sealed import CARD
from calling_card.protocol.persons.authorization import answer_url, asking_for_another
from calling_card.protocol.persons.portrait import Portrait
from calling_card.usecases import authorize
from calling_card.usecases.people import leave, logos, sign_in
from calling_card.usecases.people.browsers import Visit
from calling_card.web import show
from calling_card.web.browsers import check_origin, number_cookie, session_cookie, visit, wants_page
from calling_card.web.http import Answer, Request, form
from calling_card.web.pages.views import Consent, Form, Problem, SignIn
from calling_card.web.refused import refused, with_wait
from calling_card.web.show import page, see_other, to_client

_ADDED = "&cc_transaction="
"""Before what our own pages add to a request that they send back here."""
_QUERY = re.compile(rb'[!"$-~]*')
"""Printable, without a space, without the mark of a fragment."""


async def start(ports: Ports, request: Request) -> Answer:
    """GET: a client sends a person here."""
    said, _, added = _readable(request.query).partition(_ADDED)
    who = visit(ports, request)
    return _shown(ports, request, who, await authorize.begin(ports, authorize.Asked(said, who, added)))


async def start_by_form(ports: Ports, request: Request) -> Answer:
    """POST: the same with a form; it becomes a GET, because a form from elsewhere comes without the session's cookie."""
    return see_other(f"{ports.settings.endpoint('/authorize')}?{_readable(request.body)}")


def _readable(query: bytes) -> str:
    """The parameters as they may stand in a URL, and in our own headers. Raises `Refusal` (RFC 3986 §3.4)."""
    if not _QUERY.fullmatch(query):
        raise Refusal(No.INVALID_REQUEST, "the parameters are no form: everything but ASCII is percent-encoded (RFC 6749 appendix B)")
    return query.decode("ascii")


def _shown(ports: Ports, request: Request, who: Visit, outcome: authorize.Outcome, problem: str = "", name: str = "") -> Answer:
    """Whatever comes next, as the browser gets it; ``ui_locales`` of the request come before what the browser prefers (R-53)."""
    if isinstance(outcome, authorize.Answer):
        return to_client(ports, who, outcome)
    who = structs.replace(who, languages=outcome.client.languages)
    match outcome:
        case authorize.SignInNeeded():
            view = SignIn(
                form=Form(ports.settings.base_path + "/sign-in", outcome.offer.transaction),
                client=outcome.client,
                name=name or outcome.hint,
                problem=problem,
                passkey_options=outcome.offer.passkey_options,
                switch=outcome.switch,
                links=_links(ports, outcome.client),
                logo=_logo(ports, outcome.client),
            )
            return page(ports, who, view, status=_STATUS.get(problem, 200), goes_to=outcome.back.uri)
        case authorize.Question():
            return page(ports, who, _question(ports, outcome), goes_to=outcome.back.uri)
        case authorize.Stopped():
            return _stopped(ports, request, who, outcome)


_STATUS = {"sign_in_failed": 400, "passkey_failed": 400, "throttled": 429, "busy": 503}
"""Message ids of problems at sign-in, and their status."""


def _question(ports: Ports, asked: authorize.Question) -> Consent:
    return Consent(
        form=Form(ports.settings.base_path + "/consent", asked.transaction),
        client=asked.client,
        person=asked.person,
        scopes=asked.scopes,
        resources=asked.resources,
        links=_links(ports, asked.client),
        rememberable=asked.rememberable,
        switch=f"{ports.settings.base_path}/authorize?{asking_for_another(asked.request)}",
        again=asked.again,
        changed=asked.changed,
        waits=asked.waits,
        logo=_logo(ports, asked.client),
    )


def _links(ports: Ports, client: Portrait) -> tuple[tuple[str, str], ...]:
    """The client's addresses, each by way of the page that warns before leaving."""
    place = ports.settings.base_path + "/leave?to="
    return tuple((member, place + leave.link(ports, url)) for member, url in client.links)


def _logo(ports: Ports, client: Portrait) -> str:
    """The path where we serve the picture of the client as it is now; empty: it has none."""
    if not client.logo:
        return ""
    card = client.client_id if client.client_id.startswith(CARD.prefix) else ""
    return f"{ports.settings.base_path}/logos/{logos.link(ports, client.key, client.logo, client.changed_at, card)}"


def _stopped(ports: Ports, request: Request, who: Visit, stopped: authorize.Stopped) -> Answer:
    """The mistake as a page with a link to the client, or as JSON for a script."""
    if not wants_page(request):
        return refused(stopped.refusal)
    back = structs.replace(stopped.answer.back, mode="fragment" if stopped.answer.back.mode == "fragment" else "query")
    view = Problem(
        code=stopped.refusal.no.code,
        description=stopped.refusal.description,
        reference=request.id,
        client=stopped.client,
        back=answer_url(back, stopped.answer.members),
        text=_TEXTS.get(stopped.refusal.no, ""),
    )
    return page(ports, who, view, status=400)


_TEXTS = {No.HELD: "waits"}
"""Refusals that have a text of their own beside those of their code."""


async def sign_in_form(ports: Ports, request: Request) -> Answer:
    """POST: name and password, or a passkey."""
    check_origin(ports, request)
    who, sent = visit(ports, request), form(request).values
    transaction = sent.get("transaction", "")
    proof = sign_in.Proof(transaction, sent.get("name", ""), sent.get("password", ""), sent.get("passkey", ""))
    try:
        done = await sign_in.sign_in(ports, who, proof)
    except Refusal as refusal:
        problem = _PROBLEMS.get(refusal.no)
        if problem is None:
            raise
        again = await _again(ports, request, who, proof, "passkey_failed" if problem == "sign_in_failed" and proof.passkey else problem)
        return with_wait(again, refusal)
    cookie = session_cookie(ports, done.cookie, done.lifetime)
    if not done.request:
        return see_other(ports.settings.endpoint("/account"), cookie, *number_cookie(ports, who))
    return see_other(f"{ports.settings.endpoint('/authorize')}?{done.request}{_ADDED}{transaction}", cookie)


_PROBLEMS = {No.SIGN_IN_FAILED: "sign_in_failed", No.TOO_MANY_REQUESTS: "throttled", No.UNAVAILABLE: "busy"}


async def _again(ports: Ports, request: Request, who: Visit, proof: sign_in.Proof, problem: str) -> Answer:
    """The form once more, with what went wrong; what it waits for is the same."""
    waiting = sign_in.waiting(ports, who, proof.transaction)
    if waiting.request:
        outcome = await authorize.begin(ports, authorize.Asked(waiting.request, who, proof.transaction))
        return _shown(ports, request, who, outcome, problem, proof.name[:100])
    view = show.sign_in_form(ports, sign_in.offer(ports, who), proof.name[:100], problem)
    return page(ports, who, view, status=_STATUS[problem])


async def consent_form(ports: Ports, request: Request) -> Answer:
    """POST: yes or no."""
    check_origin(ports, request)
    who, sent = visit(ports, request), form(request).values
    decision = sent.get("decision", "")
    if decision not in ("allow", "cancel"):
        raise Refusal(No.INVALID_REQUEST, "decision: must be allow or cancel")
    transaction, remember = sent.get("transaction", ""), "remember" in sent
    outcome = await authorize.decide(ports, who, transaction, allow=decision == "allow", remember=remember)
    return _shown(ports, request, who, outcome)


async def elsewhere(ports: Ports, request: Request) -> Answer:
    """GET on the address of a form: whoever lands here has lost their way."""
    del request
    return see_other(ports.settings.endpoint("/account"))
