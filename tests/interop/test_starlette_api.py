"""The Starlette example with a client that knows nothing but its address: every step follows from what it was told."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import cast

import httpx
import pytest
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import OAuth2Client

from tests.interop.browser import Visitor
from tests.interop.conftest import Running
from tests.interop.notes import READ, WRITE, Notes, noted
from tests.interop.test_authlib_people import Json, Maker, discover, known_of
from tests.ledger import meets

EXAMPLE = Path("starlette_api/app.py")
CALLBACK = "https://tides.example/callback"


@pytest.fixture(scope="module", params=["opaque", "jwt"])
def notes(request: pytest.FixtureRequest, running: Running) -> Iterator[Notes]:
    with noted(running, EXAMPLE, request.param) as some:
        yield some


def challenge_of(answer: httpx.Response) -> Mapping[str, str]:
    """The parameters of the challenge (RFC 6750 §3)."""
    scheme, _, rest = answer.headers["WWW-Authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', rest))


class Program:
    """A client that is given a URL and reads the rest from challenges and metadata."""

    def __init__(self, notes: Notes, visitor: Visitor) -> None:
        self.url = f"{notes.resource}/notes"
        self.visitor = visitor
        self.token = ""
        self.refresh_token = ""
        self.card: Json = {}

    def send(self, note: str = "") -> httpx.Response:
        """Read the notes, or add one."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.request("POST" if note else "GET", self.url, content=note, headers=headers)

    def obey(self, challenge: Mapping[str, str]) -> None:
        """Get a token that answers this challenge (RFC 9728 §5)."""
        protected = httpx.get(challenge["resource_metadata"]).raise_for_status().json()
        assert protected["resource"] == self.url.removesuffix("/notes")
        metadata = discover(protected["authorization_servers"][0])
        self.card = self.card or self.register(metadata)
        verifier = generate_token(48)
        known = {**known_of(self.card), "scope": challenge["scope"]}
        with closing(cast("Maker", OAuth2Client)(**known)) as session:
            url, state = session.create_authorization_url(
                metadata["authorization_endpoint"], code_verifier=verifier, resource=protected["resource"]
            )
            back = self.visitor.visit(url)
            got = session.fetch_token(metadata["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state)
        self.token, self.refresh_token = str(got["access_token"]), str(got["refresh_token"])

    @staticmethod
    def register(metadata: Mapping[str, str]) -> Json:
        """Introduce the program, which has no secret and says nothing of scopes."""
        said = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"]}
        card: Json = httpx.post(metadata["registration_endpoint"], json=said).raise_for_status().json()
        return card


@meets("A-30")
def test_a_client_finds_its_way_from_the_address_of_the_api_alone(notes: Notes, visitor: Visitor, subject: str) -> None:
    program = Program(notes, visitor)

    stranger = program.send()
    program.obey(challenge_of(stranger))
    empty, refused = program.send(), program.send("eggs")
    program.obey({**challenge_of(refused), "scope": f"{READ} {challenge_of(refused)['scope']}"})
    kept, found = program.send("eggs"), program.send()

    assert (stranger.status_code, challenge_of(stranger)["scope"]) == (401, READ)
    assert "error" not in challenge_of(stranger)
    assert (empty.status_code, empty.json()) == (200, [])
    assert (refused.status_code, challenge_of(refused)["error"], challenge_of(refused)["scope"]) == (403, "insufficient_scope", WRITE)
    assert (kept.status_code, found.json()) == (201, ["eggs"])
    assert notes.introspect(program.token)["sub"] == subject


def test_a_token_that_is_made_up_is_refused(notes: Notes, visitor: Visitor) -> None:
    program = Program(notes, visitor)
    program.token = "eyJhbGciOiJub25lIn0.e30."

    answer = program.send()

    assert (answer.status_code, challenge_of(answer)["error"]) == (401, "invalid_token")


def test_a_token_that_is_taken_back_is_refused_at_once_if_the_api_asks_and_at_its_end_if_not(
    notes: Notes, visitor: Visitor, subject: str
) -> None:
    program = Program(notes, visitor)
    program.obey(challenge_of(program.send()))
    fields = {"token": program.refresh_token, "client_id": str(program.card["client_id"])}

    httpx.post(f"{notes.issuer}/revoke", data=fields).raise_for_status()

    assert notes.introspect(program.token)["active"] is False
    assert program.send().status_code == {"opaque": 401, "jwt": 200}[notes.tokens]
