import re

import pytest

from benches.others import HERE, PEERS, CannotBring, asked_for
from benches.workloads import BY_NAME

OURS = PEERS[0]


def test_every_server_has_a_name_of_its_own_and_workloads_that_there_are() -> None:
    assert len({peer.name for peer in PEERS}) == len(PEERS)
    assert {name for peer in PEERS for name in peer.workloads} <= set(BY_NAME)


@pytest.mark.parametrize(
    "beginnings, workloads",
    [
        (["metadata"], ("metadata",)),
        (["read"], ("register (MCP body)", "read")),
        (["refresh"], ("code flow", "refresh")),
        (["register"], ("register (MCP body)", "register (OIDC body)", "register, each another")),
        (["nothing"], ()),
        (None, OURS.workloads),
    ],
)
def test_a_workload_brings_the_one_that_leaves_it_what_it_needs(beginnings: list[str] | None, workloads: tuple[str, ...]) -> None:
    assert asked_for(OURS, beginnings).workloads == workloads


@pytest.mark.parametrize("name", ["hydra", "keycloak"])
def test_what_cannot_be_installed_is_said(name: str) -> None:
    (peer,) = [peer for peer in PEERS if peer.name == name]

    with pytest.raises(CannotBring, match="is in no package registry"):
        peer.command()
    assert not peer.always


@pytest.mark.parametrize("folder", sorted(path.name for path in HERE.iterdir() if path.name != "floor"))
def test_packages_are_locked_by_version_and_hash_and_name_no_host(folder: str) -> None:
    (lock,) = [path for path in (HERE / folder).iterdir() if path.name in ("requirements.txt", "package-lock.json")]
    text = lock.read_text(encoding="utf-8")

    packages = re.findall(r"^[a-z][\w.-]*==|\"version\": ", text, re.MULTILINE)
    assert len(packages) > 5
    assert len(re.findall(r"--hash=sha256:|\"integrity\": ", text)) >= len(packages)
    assert not re.search(r'"resolved"|index-url|find-links', text)
