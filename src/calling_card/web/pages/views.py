"""What each page is told; how it looks and reads is the business of templates and messages."""

from dataclasses import dataclass

from calling_card.protocol.persons.portrait import Portrait


@dataclass(frozen=True, slots=True)
class Form:
    """What every form of ours carries."""

    action: str
    """Path it is sent to, with the path of the issuer."""
    transaction: str
    """Hidden field ``transaction``."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who are you: name and password, or a passkey."""

    form: Form
    client: Portrait | None
    """None: the person came for the account page."""
    name: str
    """Filled in before: what was typed last, or a hint."""
    problem: str
    """Message id of what went wrong, without its ``problem.``; empty: nothing yet."""
    passkey_options: str
    """JSON for ``navigator.credentials.get``."""
    switch: bool = False
    """Whether somebody is signed in and asked to be somebody else."""
    links: tuple[tuple[str, str], ...] = ()
    """Member name and the address of the page that warns before leaving; without it the host of a link is text only."""
    logo: str = ""
    """Path of the client's picture; empty: it is shown without one."""


@dataclass(frozen=True, slots=True)
class Consent:
    """May this client do this in your name."""

    form: Form
    client: Portrait
    person: str
    """How the signed-in person is greeted."""
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    """Hosts of the resource servers that were asked for."""
    links: tuple[tuple[str, str], ...]
    """Member name and the address of the page that warns before leaving."""
    rememberable: bool
    """Whether the box "do not ask again" is there."""
    switch: str
    """Address that signs in somebody else."""
    again: bool = False
    """Whether the client changed while the page was open."""
    changed: bool = False
    """Whether the client changed since this person last allowed it for longer (D-42)."""
    waits: bool = False
    """Whether the client waits for approval, and this person may try it (A-88)."""
    logo: str = ""
    """Path of the client's picture; empty: it is shown without one."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """One client on the account page."""

    client: Portrait
    key: str
    """Value of the form field ``client``."""
    scopes: tuple[str, ...]
    since: int
    last_used: int


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One session on the account page."""

    key: str
    """Value of the form field ``session``."""
    browser: str
    since: int
    current: bool


@dataclass(frozen=True, slots=True)
class PasskeyLine:
    """One passkey on the account page."""

    key: str
    """Value of the form field ``passkey_id``."""
    label: str
    since: int
    last_used: int
    """0: never."""


@dataclass(frozen=True, slots=True)
class Account:
    """What I allowed, where I am signed in, how I sign in."""

    form: Form
    """Each small form on the page is sent here, with a field ``do`` saying what: ``withdraw``, ``end_session``, ``password``,
    ``add_passkey``, ``remove_passkey``, ``sign_out``, ``sign_out_elsewhere``."""
    person: str
    name: str
    """Sign-in name."""
    allowed: tuple[Allowed, ...]
    sessions: tuple[SessionLine, ...]
    passkeys: tuple[PasskeyLine, ...]
    passkey_options: str
    """JSON for ``navigator.credentials.create``."""
    has_password: bool
    done: str = ""
    """Message id of what was just done, without its ``done.``; empty: nothing."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something cannot go on."""

    code: str
    """Error code; the page has a constant text for it."""
    description: str
    """The specific reason, for developers; from our own texts only."""
    reference: str
    """Request id."""
    client: Portrait | None = None
    back: str = ""
    """Where a click sends the error to; empty: nowhere."""
    text: str = ""
    """Message id of heading and text, without what comes before the dot; empty: the code."""


@dataclass(frozen=True, slots=True)
class SignedOut:
    """The session in this browser has ended."""

    account: str
    """Address of the account page."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A link of a client leads to a stranger's page."""

    url: str
    host: str


@dataclass(frozen=True, slots=True)
class Onward:
    """An answer on its way to an application on this device: a click first (H-09)."""

    url: str
    scheme: str
    client: Portrait


@dataclass(frozen=True, slots=True)
class Posted:
    """An answer by form_post: a form that sends itself, or is sent by a click (OAuth 2.0 Form Post Response Mode §2)."""

    action: str
    fields: tuple[tuple[str, str], ...]
    client: Portrait


View = SignIn | Consent | Account | Problem | SignedOut | Leaving | Onward | Posted
