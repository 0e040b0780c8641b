"""The browser's own virtual device that keeps passkeys (WebAuthn Level 3 §11)."""

from dataclasses import dataclass
from typing import Protocol, cast

from tests.browser.window import Window


class Debugger(Protocol):
    """The browser's own door for tools."""

    def send(self, method: str, params: dict[str, object]) -> dict[str, object]:
        """One command and its answer."""
        ...


@dataclass(frozen=True, slots=True)
class Device:
    """What keeps the passkeys of one page, and its owner's finger."""

    session: Debugger
    id: str

    def recognises(self, owner: bool) -> None:
        """Whether whoever touches it is the owner."""
        self.session.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": owner})

    def kept(self) -> int:
        """How many passkeys are on it."""
        found = self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})["credentials"]
        assert isinstance(found, list)
        return len(cast(list[object], found))


def device(window: Window) -> Device:
    """A new one, in use for the window's page."""
    session = cast(Debugger, window.context.new_cdp_session(window.page))
    session.send("WebAuthn.enable", {})
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return Device(session, str(made["authenticatorId"]))


def add_passkey(window: Window, label: str) -> None:
    """On the account page."""
    window.page.fill("#label", label)
    window.press("passkey-button")
    window.page.wait_for_url("**/account?done=passkey_added")
