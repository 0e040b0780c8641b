"""How other servers write clients down, and what is done again after a restore."""

import pytest

from calling_card.protocol.clients import JSON, Client, Door, Generations, Route, State, Tier
from calling_card.protocol.handles import imported
from calling_card.protocol.handles.rotation import Clock, adopt
from calling_card.protocol.life.recovering import ENDED, Happened, Recovering, is_suspect, replay
from calling_card.protocol.moving import hydra, keycloak, node_oidc_provider
from calling_card.protocol.moving.arrivals import Arrival, Unmovable


def client(tier: Tier = Tier.ANONYMOUS, kept: bytes | None = None) -> Client:
    life = (Door.RFC7591, tier, State.ACTIVE, "", None, 0, b"{}", b"")
    return Client(b"k" * 16, Route.REGISTERED, "a", b"i" * 8, 0, *life, Generations(), None, 0, 0, imported=kept)


class NoKeys:
    """A keyring that honours nothing."""

    minting = 1

    def mac(self, number: int, kind: str, message: bytes) -> bytes | None:
        del number, kind, message
        return None


def test_an_arrival_does_not_show_its_secret() -> None:
    assert "hush" not in repr(Arrival("a", {}, secret="hush"))


@pytest.mark.parametrize("name", ["", "a" * 256, "tab\t", 7, None])
def test_a_name_that_no_client_can_have_is_refused(name: JSON) -> None:
    [found] = hydra.arrivals([{"client_id": name}])

    assert "client_id: must be 1 to 255 printable ASCII characters" in str(found)


@pytest.mark.parametrize("file", ["text", 7, None, [1]])
def test_a_file_without_objects_holds_no_clients(file: JSON) -> None:
    with pytest.raises(Unmovable, match="something else than clients"):
        list(hydra.arrivals(file))


def test_a_file_that_is_neither_a_realm_nor_a_client_is_not_of_keycloak() -> None:
    with pytest.raises(Unmovable, match="neither a realm nor a client"):
        list(keycloak.arrivals({"users": []}))


def test_a_client_of_keycloak_with_nothing_written_is_as_keycloak_would_have_it() -> None:
    [found] = keycloak.arrivals({"clientId": "a", "secret": "s", "authorizationServicesEnabled": True})

    assert isinstance(found, Arrival)
    assert found.said["grant_types"] == ["authorization_code", "refresh_token"]
    assert "scope" not in found.said
    assert any(note.startswith("authorizationServicesEnabled") for note in found.notes)


@pytest.mark.parametrize(
    "file",
    [
        {"oidc:Client:a": '{"client_id":"a"}', "oidc:Session:b": "{}"},
        {"oidc:Client:a": {"client_id": "a"}},
        [{"client_id": "a"}],
        {"client_id": "a"},
        [{"type": "Client", "payload": {"client_id": "a"}}, {"model": "Session", "payload": "{}"}],
    ],
)
def test_payloads_of_node_oidc_provider_are_found_wherever_adapters_put_them(file: JSON) -> None:
    [found] = node_oidc_provider.arrivals(file)

    assert isinstance(found, Arrival)
    assert found.client_id == "a"


def test_a_payload_that_is_no_object_is_named() -> None:
    [found] = node_oidc_provider.arrivals([{"id": "x", "type": 7, "payload": 7}])

    assert str(found) == "x: its payload is no JSON object"


def test_a_slow_hash_never_fits_fast() -> None:
    assert not imported.fits(NoKeys(), "https://as.example", client(kept=b"$2b$slow"), "anything")
    assert not imported.fits(NoKeys(), "https://as.example", client(kept=b"hmac:clear:1:" + b"A" * 43), "anything")


@pytest.mark.parametrize("secret", ["$2b$broken", "$argon2id$broken", "x" * 1025])
def test_what_looks_like_a_hash_and_is_none_is_strange(secret: str) -> None:
    assert imported.form(secret) is imported.Kept.STRANGE


def test_only_a_generation_from_the_future_is_adopted() -> None:
    assert adopt(5, 2, Generations(), Clock(9, 3)) == Generations(5, 5, 2, 2, 9)
    with pytest.raises(ValueError, match="from the future"):
        adopt(1, 1, Generations(), Clock(9, 3))


def test_sealed_cards_of_before_are_refused_where_nobody_knows_which_were_deleted() -> None:
    assert Recovering(9, covered=True).refused == ENDED
    assert Recovering(9, covered=False).refused == (*ENDED, "client")
    assert (Recovering(9, covered=False).lasts(8), Recovering(9, covered=False).lasts(9)) == (True, False)


def test_clients_of_an_operator_are_never_suspect() -> None:
    assert is_suspect(Recovering(9, covered=False), client())
    assert not is_suspect(Recovering(9, covered=False), client(Tier.ADMIN))
    assert not is_suspect(Recovering(9, covered=True), client())


def test_what_is_done_again_is_what_was_so_in_the_end() -> None:
    def event(at: int, kind: str, key: bytes = b"", **body: JSON) -> Happened:
        return Happened(at, kind, key, body)

    found = replay(
        [
            event(4, "client_resumed", b"back"),
            event(1, "client_suspended", b"back"),
            event(2, "client_deleted", b"gone", client_id="g"),
            event(3, "client_suspended", b"gone"),
            event(5, "client_refused", b"no"),
            event(6, "client_replaced", b"new"),
            event(7, "client_revoked", b"rev"),
            event(8, "grants_withdrawn", b"c", person="p"),
            event(9, "initial_access_token_revoked", id="i"),
            event(10, "webhook_removed", id="w"),
            event(11, "person_changed", person="p", active=False),
            event(12, "person_changed", person="q", role="owner"),
            event(13, "passkey_removed", person="p"),
            event(14, "signed_in", person="p"),
        ]
    )

    assert found.clients == {b"back": "", b"gone": "deleted", b"no": "suspended"}
    assert (found.names, found.changed, found.revoked) == ({b"gone": "g"}, {b"new"}, {b"rev"})
    assert (found.withdrawn, found.invitations, found.webhooks) == ({("p", b"c")}, {"i"}, {"w"})
    assert (found.people, found.look_at) == ({"p": False}, {"p"})
