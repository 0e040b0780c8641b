"""Every member of client metadata that this server knows: one row each, assembled from `members/` (RFC 7591 §4.1)."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from calling_card.protocol.members import binding, core, extensions, federation, logout, openid
from calling_card.protocol.members.row import By, Effect, Kind, Member, Sensitivity, Where

__all__ = ["MEMBERS", "By", "Effect", "Kind", "Member", "Sensitivity", "Where", "assemble", "set_by_server"]


def assemble(*tables: Iterable[Member]) -> Mapping[str, Member]:
    """The rows by name. Raises `ValueError` for a name that is described twice."""
    members: dict[str, Member] = {}
    for row in (row for table in tables for row in table):
        if row.name in members:
            raise ValueError(f"{row.name} is described twice")
        members[row.name] = row
    return MappingProxyType(members)


MEMBERS: Mapping[str, Member] = assemble(core.ROWS, openid.ROWS, logout.ROWS, binding.ROWS, federation.ROWS, extensions.ROWS)


def set_by_server() -> tuple[str, ...]:
    """The members that no client chooses (RFC 7592 §2.2)."""
    return tuple(row.name for row in MEMBERS.values() if row.by is By.SERVER)
