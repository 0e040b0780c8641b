"""What this server is and which keys it signs with (RFC 8414 §3, RFC 7517 §5)."""

from collections.abc import Mapping, Sequence

from calling_card.ports import Ports
from calling_card.protocol.clients import Card
from calling_card.protocol.persons.resources import Resource, scopes_of
from calling_card.protocol.server import Served, document
from calling_card.usecases.tokens import signer


async def describe(ports: Ports, endpoints: Mapping[str, str], languages: Sequence[str]) -> Card:
    """The server metadata; every URL in it is made from the issuer (A-03). ``endpoints`` are paths by name.

    What is the same as last time is the same object, so that nobody has to make bytes of it again.
    """
    resources = tuple(await ports.store.resources())
    for known, seen, names, tags, made in _last:
        if known is ports and seen == resources and names is endpoints and tags is languages:
            return made
    made = _described(ports, resources, endpoints, languages)
    _last[:] = [(ports, resources, endpoints, languages, made)]
    return made


_last: list[tuple[Ports, tuple[Resource, ...], Mapping[str, str], Sequence[str], Card]] = []
"""The metadata as they were made last, and of what."""


def _described(ports: Ports, resources: Sequence[Resource], endpoints: Mapping[str, str], languages: Sequence[str]) -> Card:
    scopes = dict.fromkeys([*ports.settings.scopes, *scopes_of(resources)])
    return document(
        Served(
            issuer=ports.settings.issuer,
            registration_endpoint="" if ports.settings.registration == "closed" else ports.desk.endpoint,
            endpoints={name: ports.settings.endpoint(path) for name, path in endpoints.items()},
            grant_types=ports.ground.grant_types,
            auth_methods=ports.ground.auth_methods,
            scopes=tuple(scopes),
            algs=tuple(ports.ground.signing_algs),
            languages=tuple(languages),
            assertion_algs=ports.ground.assertion_algs,
            resources=tuple(resource.uri for resource in resources),
            cimd=ports.customs.cimd,
            looker=ports.customs.looker,
        )
    )


async def keys(ports: Ports) -> Mapping[str, object]:
    """The public keys."""
    return (await signer(ports)).jwks()
