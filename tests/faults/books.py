"""The ledger of RELIABILITY §3: what callers were told, what was under way, and where the data folder says otherwise."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from calling_card.keys.keyring import FileKeyring
from calling_card.protocol.events import link
from tests.faults.peeks import Database, File, Peek, bytes_of
from tests.faults.standing import SERVER_MEMBERS, Body, Spoken, Standing, spoken
from tests.faults.wire import Ask, Reply

KEYRING = "keyring.json"
SUSPICIONS = ("rat_two_holders", "rat_spent")
"""Events of refused requests; every other event about a client is a change."""
TRACES = {"events", "acknowledged events", "tombstone"}

# ── What the data folder says ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Picture:
    """The data folder at one moment."""

    rows: Mapping[str, Mapping[str, object]]
    """Columns of each client by its client_id."""
    events: Mapping[bytes, Sequence[tuple[str, str]]]
    """Kind and request id of each event by client key."""
    uses_left: Mapping[bytes, int]
    tombstones: frozenset[bytes]
    """Client key and incarnation of what was deleted."""
    flaws: Sequence[str]
    """What is wrong with the file or a chain, whatever the book says."""


class Watch:
    """Looks at what a server keeps, again and again; events are read once and must then stay where they are."""

    def __init__(self, data: Path, database: str = "") -> None:
        """``database`` is the address of a PostgreSQL database; empty: it is a file in the data folder."""
        self._ring = data / KEYRING
        self._place = Database(database) if database else File(data)
        self._heads: dict[bytes, tuple[int, bytes]] = {}
        self._events: dict[bytes, list[tuple[str, str]]] = defaultdict(list)

    def look(self) -> Picture:
        """What is there now."""
        peek = self._place.peek({writer: number for writer, (number, _) in self._heads.items()})
        return Picture(peek.rows, self._events, peek.uses_left, peek.tombstones, [*peek.flaws, *self._follow(peek)])

    def _follow(self, peek: Peek) -> list[str]:
        """Read on from where the last look ended; every chain without a gap and with the right MACs."""
        flaws: list[str] = []
        ring = FileKeyring(self._ring)
        for event in peek.news:
            before, previous = self._heads.get(event.writer, (0, b""))
            chain_key = ring.mac(int.from_bytes(event.writer[:2], "big"), "events", event.writer)
            if event.number != before + 1 or chain_key is None or link(chain_key, previous, event) != event.mac:
                flaws.append(f"chain of {event.writer.hex()}: event {event.number} does not follow {before}")
            self._heads[event.writer] = (event.number, event.mac)
            self._events[event.client_key].append((event.kind, str(json.loads(event.content)["request_id"])))
        for writer, count, newest in peek.chains:
            known = self._heads.get(writer, (0, b""))[0]
            if not count == newest == known:
                flaws.append(f"chain of {writer.hex()}: {count} events, the newest is {newest}, {known} had been read")
        return flaws


# ── What callers were told ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Sent:
    """A request on its way."""

    ask: Ask
    after: Standing
    """What the row says if it was carried out."""
    generation: int = 0
    """Of the token it was sent with."""
    at: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class Entry:
    """One client: its last acknowledged standing, and the one request that may be under way."""

    name: str
    standing: Standing | None = None
    """None: nobody was told yet that it exists."""
    client_id: str = ""
    """Empty until an answer, or the database after a lost answer, said it."""
    spoken: Spoken | None = None
    tokens: dict[int, str] = field(default_factory=dict[int, str])
    """Registration access tokens that were received, by generation."""
    invited: bool = False
    sent: Sent | None = None
    lost: Sent | None = None
    """A request whose answer was lost, to be repeated by its client."""
    put_at: float = 0.0
    """When the last replacement that was carried out was sent."""
    told: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Kind and request id of every acknowledged change."""
    checked: bool = False
    """Nothing happened to it since the last comparison."""

    @property
    def path(self) -> str:
        """Where it is managed."""
        return f"/register/{self.client_id}"


@dataclass
class Figures:
    """What a run was about."""

    kills: int = 0
    acknowledged: int = 0
    """Writes that were answered."""
    answers: int = 0
    doubtful: int = 0
    """Writes that were under way at a kill."""
    carried_out: int = 0
    """Doubtful writes that the database has."""
    recovered: int = 0
    """Lost answers that were had by asking again."""
    refused: int = 0
    """Requests that the server could not keep and said so."""
    lost: int = 0
    half: int = 0
    other: int = 0

    def __str__(self) -> str:
        """One line."""
        return ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in vars(self).items())


@dataclass
class Book:
    """All clients of one data folder."""

    cards: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the server makes of a body of each shape, as JSON in which a name and a version stand as words."""
    invitation: bytes = b""
    uses: int = 0
    may_refuse: bool = False
    """Whether the server may say that it cannot store now; then nothing of the request is there."""
    doubts: bool = False
    """Whether, when it says so, all of the request may be there: nobody can say how a COMMIT ended whose answer did not come."""
    resting: bool = False
    """Whether callers finish what they are at and ask no more."""
    entries: list[Entry] = field(default_factory=list[Entry])
    figures: Figures = field(default_factory=Figures)
    complaints: list[str] = field(default_factory=list[str])
    """What answers said that they must not say."""

    def card(self, body: Body) -> object:
        """The card in force for a body."""
        text = self.cards[body.shape].replace("NAME", body.name).replace("4711", str(body.version))
        return json.loads(text)

    def learn(self, shape: str, reply: Reply) -> None:
        """Take the answer to `Body` ("NAME", shape, 4711) as the pattern of all others."""
        members = {name: value for name, value in reply.json.items() if name not in SERVER_MEMBERS}
        self.cards = {**self.cards, shape: json.dumps(members)}

    # Answers ----------------------------------------------------------------------------------------------------------------------

    def heard(self, entry: Entry, sent: Sent, reply: Reply) -> None:
        """A request was answered in full: what it says must be the standing after it, and is acknowledged from now on."""
        if self.refused(reply):
            entry.sent = sent if self.doubts else None
            return
        entry.sent = entry.lost = None
        self.figures.answers += 1
        before, after = entry.standing, sent.after
        expected = 204 if after.gone else 201 if before is None else 200
        if reply.status != expected:
            self.complaints.append(f"{entry.name}: {sent.ask.method} in {before} was answered {reply.status}: {reply.body!r}")
            return
        entry.standing = after
        entry.put_at = sent.at if sent.ask.method == "PUT" and after != before else entry.put_at
        if after != before:
            self.figures.acknowledged += 1
            entry.told.append((kind_of(before, after), reply.headers["x-request-id"]))
        if after.gone:
            return
        if before is None:
            entry.client_id, entry.spoken = reply.text("client_id"), spoken(reply.text("registration_access_token"))
        token = reply.text("registration_access_token")
        entry.tokens[spoken(token).generation] = token
        self.complaints += [f"{entry.name}: the answer to {sent.ask.method} has another {what}" for what in self.wrong_in(after, reply)]

    def refused(self, reply: Reply) -> bool:
        """Whether the server said, in the right words, that it cannot store now."""
        if not self.may_refuse or reply.status != 503:
            return False
        self.figures.refused += 1
        if reply.json.get("error") != "temporarily_unavailable" or "retry-after" not in reply.headers:
            self.complaints.append(f"refused in other words: {reply}")
        return True

    def wrong_in(self, standing: Standing, reply: Reply) -> list[str]:
        """What of an answer is not as it must be."""
        said = {name: value for name, value in reply.json.items() if name not in SERVER_MEMBERS}
        secret = reply.json.get("client_secret")
        generation = spoken(str(secret)).generation if secret is not None else 0
        return [
            *(["card"] if said != self.card(standing.body) else []),
            *(["token"] if spoken(reply.text("registration_access_token")).generation != standing.issued else []),
            *(["secret"] if generation != (standing.secret if standing.secret_lives else 0) else []),
        ]

    # The comparison ---------------------------------------------------------------------------------------------------------------

    def settle(self, picture: Picture, *, everything: bool = False) -> list[str]:
        """Compare with the data folder and find out what became of requests that were under way. One line per difference."""
        by_name = {str(json.loads(str_of(row["metadata"]))["client_name"]): row for row in picture.rows.values()}
        found = [*self.complaints, *(self._other(flaw) for flaw in picture.flaws)]
        found += self._strangers(picture)
        for entry in list(self.entries):
            if everything or not entry.checked:
                row = picture.rows.get(entry.client_id) if entry.client_id else by_name.get(entry.name)
                found += self._compare(entry, row, picture)
                entry.checked = entry.standing is not None and entry.standing.gone and entry.lost is None
            elif entry.client_id in picture.rows:
                found.append(self._lost(f"{entry.name}: was deleted and is back"))
        return [*found, *self._invitations(picture)]

    def _compare(self, entry: Entry, row: Mapping[str, object] | None, picture: Picture) -> list[str]:
        """One client: exactly what was acknowledged, or that and the request under way as a whole."""
        sent, before = entry.sent, entry.standing
        possible = [sent.after, before] if sent else [before]
        if sent and sent.after != before:
            self.figures.doubtful += 1
        differences = {one: self._differences(entry, one, row, picture) for one in possible}
        standing = next((one for one, wrong in differences.items() if not wrong), None)
        if all(differences.values()):
            return [self._judged(entry, differences)]
        if before is None and sent is None:  # it was refused, and nothing of it is there
            self.entries.remove(entry)
        if sent is not None:
            self.figures.carried_out += int(standing == sent.after != before)
            self._resolved(entry, sent, standing, row)
        return []

    def _resolved(self, entry: Entry, sent: Sent, standing: Standing | None, row: Mapping[str, object] | None) -> None:
        """A request under way has an outcome now; whoever has a token asks again."""
        if sent.ask.method == "PUT" and standing == sent.after != entry.standing:
            entry.put_at = sent.at
        entry.sent, entry.standing = None, standing
        if standing is None:
            self.entries.remove(entry)
        elif entry.tokens:
            entry.lost = sent
        elif row is not None:
            entry.client_id = str(row["client_id"])
            entry.spoken = Spoken(bytes_of(row["client_key"]), bytes_of(row["incarnation"]), 1)

    def _differences(self, entry: Entry, standing: Standing | None, row: Mapping[str, object] | None, picture: Picture) -> list[str]:
        """In what the folder differs from this standing."""
        if standing is None:
            return ["row"] if row is not None else []
        key = entry.spoken.client_key if entry.spoken else bytes_of(row["client_key"]) if row else b""
        events = picture.events.get(key, ())
        told = Counter(kind for kind, _ in events if kind not in SUSPICIONS)
        wrong = ["events"] if told != standing.events() else []
        if not set(entry.told) <= set(events):
            wrong.append("acknowledged events")
        if standing.gone:
            buried = entry.spoken is not None and key + entry.spoken.incarnation in picture.tombstones
            return wrong + (["row"] if row is not None else []) + ([] if buried else ["tombstone"])
        if row is None:
            return [*wrong, "row"]
        expected, actual = self._expected(entry, standing), seen(row)
        return wrong + [name for name, value in expected.items() if actual[name] != value]

    def _expected(self, entry: Entry, standing: Standing) -> Mapping[str, object]:
        """The row of a standing, in the words of `seen`."""
        had = standing.secret > 0
        expected: dict[str, object] = {
            "card": self.card(standing.body),
            "tokens": (standing.confirmed, standing.issued, 1, 1),
            "overlap": standing.confirmed < standing.issued,
            "digest": standing.digest,
            "secret": (standing.secret, standing.secret, int(standing.secret_lives)) if had else None,
            "state": ("active", 0, 2 if entry.invited else 0),
            "invitation": self.invitation if entry.invited else None,
        }
        if entry.spoken is not None:
            expected["owner"] = (entry.spoken.client_key, entry.spoken.incarnation)
        return expected

    def _judged(self, entry: Entry, differences: Mapping[Standing | None, Sequence[str]]) -> str:
        """How a difference counts: half, when some of a request is there and some is not."""
        wrong = min(differences.values(), key=len)
        told = f"{entry.name} {'in doubt' if entry.sent else 'acknowledged'} as {entry.standing}: differs in {', '.join(wrong)}"
        if "row" in wrong or set(wrong) <= TRACES or {"card", "tokens"} <= set(wrong):
            return self._lost(told)
        self.figures.half += 1
        return f"half: {told}"

    def _lost(self, told: str) -> str:
        self.figures.lost += 1
        return f"lost: {told}"

    def _other(self, told: str) -> str:
        self.figures.other += 1
        return f"other: {told}"

    def _strangers(self, picture: Picture) -> Iterable[str]:
        """Rows and events that no request made."""
        names = {entry.client_id for entry in self.entries}
        waiting = {entry.name for entry in self.entries if entry.sent and not entry.client_id}
        for name, row in picture.rows.items():
            if name not in names and json.loads(str_of(row["metadata"]))["client_name"] not in waiting:
                yield self._other(f"client {name} was never asked for")
        keys = {entry.spoken.client_key for entry in self.entries if entry.spoken}
        rows = {bytes_of(row["client_key"]) for row in picture.rows.values()}
        for key in picture.events:
            if key and key not in keys and key not in rows:
                yield self._other(f"events {picture.events[key]} are of nobody")

    def _invitations(self, picture: Picture) -> Iterable[str]:
        """Uses left and clients that came with it add up."""
        came = sum(entry.invited for entry in self.entries if entry.standing)
        left = picture.uses_left.get(self.invitation, 0)
        if came + left != self.uses:
            yield self._other(f"{came} clients came by invitation and {left} uses are left of {self.uses}")


def kind_of(before: Standing | None, after: Standing) -> str:
    """The event of a change."""
    if before is None:
        return "client_registered"
    if after.gone:
        return "client_deleted"
    return "client_replaced" if after.replaced > before.replaced else "rat_confirmed"


def seen(row: Mapping[str, object]) -> Mapping[str, object]:
    """A row in the words in which standings are compared."""
    secret = (row["secret_confirmed"], row["secret_issued"], row["secret_issued_key"]) if row["secret_kind"] else None
    return {
        "card": json.loads(str_of(row["metadata"])),
        "tokens": (row["rat_confirmed"], row["rat_issued"], row["rat_confirmed_key"], row["rat_issued_key"]),
        "overlap": row["rat_overlap_since"] is not None,
        "digest": row["rat_put_digest"],
        "secret": secret,
        "state": (row["state"], row["epoch"], row["tier"]),
        "invitation": row["invitation"],
        "owner": (row["client_key"], row["incarnation"]),
    }


def str_of(value: object) -> str:
    """A column that holds JSON."""
    return bytes_of(value).decode()


def within_the_minute(entry: Entry) -> bool:
    """Whether a repeated replacement is surely still taken for one."""
    return time.monotonic() - entry.put_at < 45
