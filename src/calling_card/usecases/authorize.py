"""A client sends a person here: who is it, what does it want, may it (RFC 6749 §4.1.1, OIDC Core §3.1.2).

Nothing is written before the person has said yes, now or earlier; a first look by a script spends nothing (H-15).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import structs

from calling_card.ports import Ports
from calling_card.protocol.abroad.addresses import leads_to
from calling_card.protocol.abroad.clientids import wants_discovery
from calling_card.protocol.clients import JSON, Client, State, Tier
from calling_card.protocol.errors import No, Refusal, plain
from calling_card.protocol.events import Event
from calling_card.protocol.handles.credentials import AUTHORIZATION_CODE, Handle, write
from calling_card.protocol.handles.idtokens import TYP
from calling_card.protocol.handles.rotation import Clock, first
from calling_card.protocol.life.approval import WAITS
from calling_card.protocol.persons import grants
from calling_card.protocol.persons.authorization import (
    Bounds,
    Return,
    Said,
    Wish,
    read_request,
    where,
    wish,
    worth_a_fetch,
)
from calling_card.protocol.persons.grants import CODE_LIFETIME, Consent, Grant, Stage, in_order, may_be_remembered
from calling_card.protocol.persons.interactions import digest, read
from calling_card.protocol.persons.portrait import Portrait, portrait, redirect_of
from calling_card.protocol.persons.resources import acceptable, scopes_of
from calling_card.protocol.trust.statements import kept
from calling_card.usecases.clients import Asking, Known, admits, find, rules_of
from calling_card.usecases.people.browsers import Present, Visit, current, expired, form, sent
from calling_card.usecases.people.sign_in import Offer, offer
from calling_card.usecases.tokens import signer


class Asked(msgspec.Struct, frozen=True):
    """An authorization request as a browser brings it."""

    request: str
    """Its query, without what our own pages added."""
    visit: Visit
    transaction: str = ""
    """Of the sign-in form that led back here; empty: the browser comes from the client."""


@dataclass(frozen=True, slots=True)
class SignInNeeded:
    """Nobody is signed in, or not freshly enough, or not the right person."""

    offer: Offer
    client: Portrait
    back: Return
    hint: str
    switch: bool


@dataclass(frozen=True, slots=True)
class Question:
    """The person has to say yes or no."""

    transaction: str
    client: Portrait
    back: Return
    request: str
    person: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    rememberable: bool
    again: bool
    """Whether something changed since the person was asked."""
    changed: bool
    """Whether the client is another one than when the person last said a yes to be remembered (D-42)."""
    waits: bool
    """Whether the client waits for approval, and the person may try it meanwhile (A-88)."""


class Answer(msgspec.Struct, frozen=True):
    """What goes back to the client."""

    back: Return
    members: dict[str, str]
    client: Portrait | None
    """None: a redirect takes it there, and nobody is shown a page."""
    click: bool
    """Whether the person must click first: a redirect to a private-use scheme that no click of ours preceded (H-09)."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A mistake of the client that the person is shown, with a link back (H-21)."""

    refusal: Refusal
    answer: Answer
    client: Portrait


Outcome = SignInNeeded | Question | Answer | Stopped


VISIT = 900
"""Seconds in which one visit reads a client's document once: from the client's request to the yes (D-65)."""


class _Request(msgspec.Struct, frozen=True):
    """A request whose client and redirect URI are settled."""

    asked: Asked
    said: Said
    known: Known
    back: Return
    began_at: int = 0
    """When it first came, if a form of ours led back here; else 0."""


class _Wanted(msgspec.Struct, frozen=True):
    """What the client wants of the person."""

    wish: Wish
    resources: tuple[str, ...]
    """As they were asked for."""
    too_much: bool
    """The client waits for approval, and nothing of this can be tried meanwhile: nobody may say yes to it (A-88)."""


async def begin(ports: Ports, asked: Asked) -> Outcome:
    """What happens next. Raises `Refusal` while client or redirect URI are not settled: that is only ever shown (A-12)."""
    request = await _settled(ports, asked, _began(ports, asked))
    try:
        wanted = await _wanted(ports, request)
        return await _next(ports, request, wanted)
    except Refusal as refusal:
        return await _stopped(ports, request, refusal)


async def decide(ports: Ports, visit: Visit, transaction: str, *, allow: bool, remember: bool) -> Outcome:
    """The person said yes or no. Raises `Refusal`: ``page_expired``, or as `begin`.

    A yes of another sign-in than the one that was asked, from another tab perhaps, is not taken: whoever is there now is asked.
    """
    found = sent(ports, visit, "consent", transaction)
    present = await current(ports, visit)
    request = await _settled(ports, Asked(found.request, visit), found.began_at)
    if not allow:
        return _answer(ports, request, {"error": No.DENIED.code, "error_description": "the person said no"}, clicked=True)
    if present is None:
        return await begin(ports, request.asked)
    try:
        wanted = await _wanted(ports, request)
        await _check_approved(ports, request, wanted, present)
    except Refusal as refusal:
        return await _stopped(ports, request, refusal)
    if found.session != present.session.id or found.shown != _shown(request, wanted):
        return _question(ports, request, wanted, present, again=True)
    return await _give(ports, request, wanted, present, remember=remember and _rememberable(ports, request), clicked=True)


async def _settled(ports: Ports, asked: Asked, began_at: int) -> _Request:
    said = read_request(asked.request)
    known = await find(ports, _asking(ports, said, asked, VISIT if began_at else 0))
    back = where(said, known.card)
    if leads_to(back.uri, ports.settings.issuer):  # the port of the day can make a loopback redirect our own
        raise Refusal(No.INVALID_REDIRECT_URI, "redirect_uri: leads to this server itself")
    return _Request(asked, said, known, back, began_at)


def _portrait(ports: Ports, request: _Request) -> Portrait:
    """The client as pages show it, in the languages of the request before those of the browser (R-53)."""
    known = request.known
    languages = (*request.said.ui_locales.split()[:10], *request.asked.visit.languages)
    vouched = kept(ports.issuers, known.client) if known.client.tier is Tier.VOUCHED else None
    return portrait(known.client, known.card, request.back.uri, languages, known.version, vouched)


def _is_private(back: Return) -> bool:
    """Whether answers go to a private-use scheme."""
    return redirect_of(back.uri)[0] == "private"


def _asking(ports: Ports, said: Said, asked: Asked, patience: int) -> Asking:
    """Whom the request names; a document is worth a fetch only for a request that could come to something (D-39)."""
    discovery = wants_discovery(said.client_discovery)
    if (discovery or "://" in said.client_id) and not patience:
        worth_a_fetch(said, pkce=ports.settings.pkce != "optional")
    return Asking(said.client_id, discovery=discovery, source=asked.visit.source, patience=patience)


async def _wanted(ports: Ports, request: _Request) -> _Wanted:
    rules = await rules_of(ports, request.known.client)
    configured = await ports.store.resources()
    bounds = Bounds(
        card=request.known.card,
        known={*ports.settings.scopes, *scopes_of(configured)},
        ceiling=rules.scopes,
        pkce=ports.settings.pkce,
        strict=ports.settings.profile == "strict",
    )
    wanted, too_much = _within(ports, request, bounds)
    resources = acceptable(request.said.resources, configured, ports.place, person=True)
    return _Wanted(wanted, tuple(resources.values()), too_much)


def _within(ports: Ports, request: _Request, bounds: Bounds) -> tuple[Wish, bool]:
    """What the rules allow; of a client that waits for approval no more than may be tried, and whether that is nothing (A-88)."""
    if request.known.client.state is not State.HELD:
        return wish(request.said, bounds), False
    tried = [scope for scope in ports.settings.test_scopes if bounds.ceiling is None or scope in bounds.ceiling]
    try:
        return wish(request.said, structs.replace(bounds, ceiling=tried)), False
    except Refusal as refusal:
        if refusal.no is not No.INVALID_SCOPE:
            raise
        return wish(request.said, bounds), True


async def _check_approved(ports: Ports, request: _Request, wanted: _Wanted, present: Present) -> None:
    """Who may use this client, which waits for approval, is known only when somebody is signed in. Raises `Refusal` (A-88)."""
    if request.known.client.state is not State.HELD:
        return
    if not await admits(ports, request.known.client, present.person.id):
        raise Refusal(No.HELD, WAITS)
    if wanted.too_much:
        raise Refusal(No.INVALID_SCOPE, f"scope: none of these can be tried while {WAITS} (RFC 6749 section 3.3)")


async def _next(ports: Ports, request: _Request, wanted: _Wanted) -> Outcome:
    """Sign in, then consent, then the code; ``prompt=none`` makes a refusal of each question (A-22)."""
    silent = "none" in wanted.wish.prompts
    present = await current(ports, request.asked.visit)
    subject = await _hinted(ports, wanted.wish) if wanted.wish.hint else wanted.wish.subject
    if present is None or _must_sign_in(ports, wanted.wish, present, subject, request.began_at):
        if silent:
            raise Refusal(No.LOGIN_REQUIRED, "the person would have to sign in (OIDC Core section 3.1.2.6)")
        return _sign_in(ports, request, wanted, present)
    if subject and subject != present.person.subject:
        raise Refusal(No.LOGIN_REQUIRED, "another person is signed in than id_token_hint or claims name (OIDC Core section 3.1.2.2)")
    await _check_approved(ports, request, wanted, present)
    kept = await ports.store.consents(present.person.id, request.known.client)
    if "consent" in wanted.wish.prompts or not _remembered(ports, request, wanted, present, kept):
        if silent:
            raise Refusal(No.CONSENT_REQUIRED, "the person would have to say yes (OIDC Core section 3.1.2.6)")
        ports.store.used(request.known.client, ports.now() // 86400)  # or it could be pruned while the person thinks (M-58)
        return _question(ports, request, wanted, present, changed=_changed(request, kept))
    if silent and _is_private(request.back):
        raise Refusal(No.INTERACTION_REQUIRED, "a click precedes every redirect to a private-use scheme (RFC 8252 section 8.6)")
    return await _give(ports, request, wanted, present, remember=False, clicked=False)


def _must_sign_in(ports: Ports, asked: Wish, present: Present, subject: str, began_at: int) -> bool:
    """Whether the sign-in there is does not do: too old, or another person is wanted; one made for this request always does."""
    if present.session.auth_time >= began_at > 0:
        return False
    if asked.prompts & {"login", "select_account"} or (subject and subject != present.person.subject):
        return "none" not in asked.prompts
    return asked.max_age is not None and ports.now() - present.session.auth_time > asked.max_age


def _began(ports: Ports, asked: Asked) -> int:
    """When this request first came, if a sign-in form of ours led back here that this browser was given for it; else 0."""
    found = read(ports.keyring, asked.transaction, asked.visit.browser, "sign_in", ports.now()) if asked.transaction else None
    return found.began_at if found is not None and found.request == asked.request else 0


async def _hinted(ports: Ports, asked: Wish) -> str:
    """The one person that a hint is about (A-25). Raises `Refusal` for a hint that we did not issue."""
    claims = (await signer(ports)).verify(asked.hint, TYP) or {}
    ours = claims.get("iss") == ports.settings.issuer and "auth_time" in claims  # signed userinfo tells of no sign-in
    subject = claims.get("sub") if ours else None
    if not isinstance(subject, str):
        raise Refusal(No.INVALID_REQUEST, "id_token_hint: is no ID token of this server (OIDC Core section 3.1.2.1)")
    if asked.subject and asked.subject != subject:
        raise Refusal(No.LOGIN_REQUIRED, "claims and id_token_hint name different people (OIDC Core section 3.1.2.2)")
    return subject


def _sign_in(ports: Ports, request: _Request, wanted: _Wanted, present: Present | None) -> SignInNeeded:
    offered = offer(ports, request.asked.visit, request.asked.request, request.began_at)
    return SignInNeeded(offered, _portrait(ports, request), request.back, wanted.wish.login_hint, switch=present is not None)


def _question(
    ports: Ports, request: _Request, wanted: _Wanted, present: Present, *, again: bool = False, changed: bool = False
) -> Question:
    """The consent page, not more often than a person can read it (X-53)."""
    client = request.known.client
    if wait := ports.prompts.take(f"{present.person.subject}|{client.client_id}"):
        raise Refusal(No.TOO_MANY_REQUESTS, "this application asks too often; wait a little", retry_after=wait)
    shown = _shown(request, wanted)
    return Question(
        transaction=form(ports, request.asked.visit, "consent", request=request.asked.request, session=present.session.id, shown=shown),
        client=_portrait(ports, request),
        back=request.back,
        request=request.asked.request,
        person=present.person.shown,
        scopes=tuple(wanted.wish.scope.split()),
        resources=tuple(dict.fromkeys(redirect_of(uri)[1] for uri in wanted.resources)),
        rememberable=_rememberable(ports, request),
        again=again,
        changed=changed,
        waits=client.state is State.HELD,
    )


def _shown(request: _Request, wanted: _Wanted) -> bytes:
    """What a person says yes to: this very client as it is, these scopes and resources, this redirect."""
    client = request.known.client
    return digest(
        client.key,
        client.incarnation,
        grants.seen(request.known.card),
        in_order(wanted.wish.scope),
        in_order(" ".join(wanted.resources)),
        request.back.uri,
    )


def _rememberable(ports: Ports, request: _Request) -> bool:
    return ports.remembers(request.known.client.tier) and may_be_remembered(request.known.card, request.back.uri)


def _remembered(ports: Ports, request: _Request, wanted: _Wanted, present: Present, kept: Sequence[Consent]) -> bool:
    """Whether the person said yes to exactly this before, and the client is what it was then (CREDENTIALS §8)."""
    if not kept or not _rememberable(ports, request):
        return False
    return _consent(request, wanted, present, 0) in [structs.replace(yes, given_at=0) for yes in kept]


def _changed(request: _Request, kept: Sequence[Consent]) -> bool:
    """Whether the client looks other than at the newest remembered yes."""
    newest = max(kept, key=lambda consent: consent.given_at, default=None)
    return newest is not None and newest.card != grants.seen(request.known.card)


def _consent(request: _Request, wanted: _Wanted, present: Present, now: int) -> Consent:
    client = request.known.client
    return Consent(
        person=present.person.id,
        client_key=client.key,
        incarnation=client.incarnation,
        redirect_uri=request.back.registered,
        resource=in_order(" ".join(wanted.resources)),
        scope=in_order(wanted.wish.scope),
        card=grants.seen(request.known.card),
        given_at=now,
    )


async def _give(ports: Ports, request: _Request, wanted: _Wanted, present: Present, *, remember: bool, clicked: bool) -> Answer:
    """A pending grant and its code: the first write of the whole way, all of it or nothing."""
    client, asked, now = request.known.client, request.asked, ports.now()
    grant = _grant(ports, request, wanted, present, now)
    body: dict[str, JSON] = {
        "person": present.person.subject,
        "scope": grant.scope,
        "resource": grant.resource,
        "remembered": remember,
        "asked": clicked,
    }
    event = Event("grant_given", now, client.key, "person", asked.visit.request_id, body)
    if not await ports.store.give(client, grant, _consent(request, wanted, present, now) if remember else None, event):
        raise expired()
    await _note_repeats(ports, request, wanted)
    code = write(ports.keyring, ports.settings.issuer, Handle(AUTHORIZATION_CODE, grant.code_key, client.key + grant.id, 1))
    return _answer(ports, request, {"code": code}, clicked=clicked)


def _grant(ports: Ports, request: _Request, wanted: _Wanted, present: Present, now: int) -> Grant:
    client, back, asked = request.known.client, request.back, wanted.wish
    session, minting, version = present.session, ports.keyring.minting, request.known.version
    return Grant(
        client_key=client.key,
        id=ports.entropy(16),
        incarnation=client.incarnation,
        person=session.person,
        stage=Stage.PENDING,
        epoch=0,
        code_deadline=now + CODE_LIFETIME,
        code_key=minting,
        scope=asked.scope,
        resource=" ".join(wanted.resources),
        redirect_uri=back.uri if back.sent else "",
        code_challenge=asked.challenge,
        nonce=asked.nonce,
        sid=session.id,
        person_epoch=present.person.epoch,
        auth_time=session.auth_time,
        amr=session.amr,
        refresh=first(Clock(now, minting)),
        created_at=now,
        last_used_at=now,
        document_version=None if version is None else version.number,
    )


async def _note_repeats(ports: Ports, request: _Request, wanted: _Wanted) -> None:
    """A challenge or nonce that comes again and again protects nobody: the operator is told (A-98)."""
    client = request.known.client
    for once in (wanted.wish.challenge, wanted.wish.nonce):
        if once and ports.repeats.take(f"{client.client_id}|{once}"):
            await ports.store.report(Event("challenge_repeated", ports.now(), client.key, "client", request.asked.visit.request_id))


def _answer(ports: Ports, request: _Request, members: dict[str, str], *, clicked: bool) -> Answer:
    """The members with ``state`` as it came and our ``iss`` (A-15, A-16)."""
    state = {"state": request.back.state} if request.back.state else {}
    click = not clicked and _is_private(request.back)
    shown = _portrait(ports, request) if click or request.back.mode == "form_post" else None
    return Answer(request.back, {**members, **state, "iss": ports.settings.issuer}, shown, click)


async def _stopped(ports: Ports, request: _Request, refusal: Refusal) -> Outcome:
    """A mistake goes back to a client that somebody approved once; of a stranger it is shown first (H-21, CREDENTIALS §8)."""
    if refusal.no in _OURS:
        raise refusal
    members = {"error": refusal.no.code, "error_description": plain(refusal.description)}
    answer = _answer(ports, request, members, clicked=False)
    if ports.settings.dev or ports.settings.error_redirects == "always" or await _trusted(ports, request.known.client):
        return answer
    return Stopped(refusal, answer, _portrait(ports, request))


_OURS = (No.TOO_MANY_REQUESTS, No.PAGE_EXPIRED, No.UNAVAILABLE)
"""Refusals that are between the person and us."""


async def _trusted(ports: Ports, client: Client) -> bool:
    """Whether somebody answers for the client; what test persons allowed one that waits says nothing about it (A-88)."""
    return client.tier >= Tier.TOKEN or (client.state is not State.HELD and await ports.store.approved(client))
