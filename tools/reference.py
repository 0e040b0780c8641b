"""The reference pages, made from the tables of the code and from the ledger.

python -m tools.reference            write docs/reference/
python -m tools.reference --check    only say which pages are stale
"""

import argparse
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click

from calling_card import faults, settings, wiring
from calling_card.cli import commands as command_line
from calling_card.protocol import events, server
from calling_card.protocol.card import ground, schema, vocabulary
from calling_card.protocol.errors import No
from calling_card.protocol.handles.idtokens import ALGS
from calling_card.usecases import issue
from calling_card.web import app, endpoints
from calling_card.web.pages.messages import LANGUAGES
from tools import ledger

PAGES = ledger.ROOT / "docs" / "reference"
TOLD_DEFAULT = re.compile(r"\s*\[default: ([^\]]+)\]")
DEFAULTS = settings.complete(settings.Settings())


@dataclass(frozen=True, slots=True)
class Page:
    """One generated page."""

    name: str
    title: str
    intro: str
    source: str
    body: Callable[[], Iterable[str]]


# ── From Python values to Markdown ───────────────────────────────────────────────────────────────────────────────────


def show(value: object) -> str:
    """One value in a cell of a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(show(one) for one in cast("Iterable[object]", value))
    return str(value)


def table(headings: Sequence[str], lines: Iterable[Sequence[object]]) -> Iterator[str]:
    """A Markdown table."""
    yield ledger.line_of(headings)
    yield ledger.line_of(["---"] * len(headings))
    for line in lines:
        yield ledger.line_of([show(value).replace("\n", " ") for value in line])


def code(value: object) -> str:
    """A value in code letters, or nothing."""
    shown = show(value)
    return f"`{shown}`" if shown else ""


# ── The pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


def members() -> Iterator[str]:
    """Every member that a client may say."""
    ours = wiring.ground(DEFAULTS)
    for title, rows in grouped(vocabulary.MEMBERS.values()):
        lines = [
            (code(row.name), row.kind.value, row.meaning, default_value(row), values_of(row, ours), said(row), row.section, code(row.no))
            for row in rows
        ]
        yield from (f"## {title}", "")
        yield from (*table(("name", "type", "meaning", "default", "values", "remarks", "section", "refusal"), lines), "")


def grouped(rows: Iterable[vocabulary.Member]) -> Iterator[tuple[str, list[vocabulary.Member]]]:
    """Members that clients say, and those that only the server does."""
    listed = list(rows)
    yield "Said by clients", [row for row in listed if row.by is vocabulary.By.CLIENT]
    yield "Set by the server", [row for row in listed if row.by is vocabulary.By.SERVER]


def default_value(row: vocabulary.Member) -> str:
    """What holds when the member is not said."""
    return row.implied or ("" if row.default is None else f"`{json.dumps(row.default)}`")


def values_of(row: vocabulary.Member, ours: ground.Ground) -> str:
    """The values that are taken under the default settings, and those that are only known."""
    taken = list(row.known) if row.served is None else list(row.served(ours))
    known = [value for value in row.known if value not in taken]
    return show(map(code, taken)) + (f"; known, not taken: {show(map(code, known))}" if known else "")


def said(row: vocabulary.Member) -> str:
    """What else a reader should know of a member."""
    remarks = (
        ("with language tags", row.i18n),
        ("shown to people", row.shown),
        ("kept and returned, no effect here", row.inert),
        ("not read, not kept", row.unread),
        (row.effect.value, row.effect is not vocabulary.Effect.NONE),
        (row.sensitivity.value, row.sensitivity is not vocabulary.Sensitivity.PUBLIC),
        (f"at most {row.limit(ground.Limits())}" if row.limit else "", row.limit is not None),
        (f"2011: `{row.form_name}`", bool(row.form_name)),
    )
    return "; ".join(remark for remark, holds in remarks if holds)


def refusals() -> Iterator[str]:
    """Every way to say no."""
    lines = [(f"`{no.name}`", code(no.code), no.status, no.value.meaning, code(no.value.challenge), no.value.section) for no in No]
    yield from table(("name", "error", "status", "meaning", "WWW-Authenticate", "section"), lines)


def kinds() -> Iterator[str]:
    """Every audit event."""
    yield from table(("name", "meaning", "fields"), [(code(row.name), row.meaning, map(code, row.fields)) for row in events.KINDS])


def paths() -> Iterator[str]:
    """Every endpoint, where it is under the default settings."""
    lines = [
        (
            code(where(row)),
            row.methods,
            row.meaning + (f" Setting `{row.setting}`." if row.setting else ""),
            row.auth,
            row.media,
            row.body_limit or ("setting `body_limit`" if row.media else ""),
            "settings `head_timeout`, `body_timeout`" if row.media else "setting `head_timeout`",
            row.cors,
            row.section,
        )
        for row in endpoints.ENDPOINTS
    ]
    yield from table(
        ("path", "methods", "meaning", "who may call", "type of body", "bytes of body", "seconds", "scripts of other origins", "section"),
        lines,
    )
    yield from ("", "Paths stand behind the path of the issuer. The setting `registration_path` moves the first two.")
    yield f"A head has at most {app.HEADER_BYTES} bytes, whatever the path. A body that nobody asked for has `body_timeout` to end, too."
    yield "With a path in the issuer, the two metadata documents are also found with their name before that path (RFC 8414 §3.1)."


def where(row: endpoints.Endpoint) -> str:
    """The path of an endpoint under the default settings."""
    return row.path.replace("{registration}", DEFAULTS.registration_path)


def options() -> Iterator[str]:
    """Every setting."""
    lines = [
        (code(row.name), row.type, code(json.dumps(row.default)), code(row.env), row.meaning, ", ".join(map(code, row.choices)), row.since)
        for row in settings.SETTINGS
    ]
    yield from table(("name", "type", "default", "environment", "meaning", "choices", "since"), lines)


def announced() -> Iterator[str]:
    """Every member of the two metadata documents, with its value under the default settings."""
    ours = server.Served(
        issuer=DEFAULTS.issuer,
        registration_endpoint=DEFAULTS.registration_endpoint,
        endpoints={name: DEFAULTS.endpoint(path) for name, path in endpoints.NAMED.items()},
        grant_types=tuple(issue.EXCHANGES),
        auth_methods=ground.AUTH_METHODS,
        scopes=DEFAULTS.scopes,
        resources=(),
        algs=ALGS,
        assertion_algs=ground.ASSERTION_ALGS,
        languages=LANGUAGES,
    )
    lines = [(code(row.name), row.meaning, json_of(row.value(ours)), row.section) for row in server.MEMBERS]
    yield from table(("name", "meaning", "value under the default settings", "section"), lines)
    yield from ("", "A member without a value is left out (RFC 8414 §3.2).")


def json_of(value: object) -> str:
    """A JSON value in code letters; nothing when it is empty."""
    return f"`{json.dumps(value)}`" if value not in ("", [], None) else ""


def points() -> Iterator[str]:
    """Every fault point."""
    yield from table(("name", "meaning"), [(code(row.name), row.meaning) for row in faults.POINTS])


def commands() -> Iterator[str]:
    """Every command, as its own help says it."""
    yield from command(command_line, ("calling-card",))


def command(one: click.Command, words: tuple[str, ...]) -> Iterator[str]:
    """One command, its parameters, and the commands below it."""
    usage = " ".join((*words, *one.collect_usage_pieces(click.Context(one))))
    yield from (f"## `{' '.join(words)}`", "", *prose(one.help or one.short_help or ""), "```text", usage, "```", "")
    told = [(code(", ".join((*each.opts, *each.secondary_opts))), meaning_of(each), default_of(each)) for each in one.params]
    if told:
        yield from (*table(("parameter", "meaning", "default"), told), "")
    if isinstance(one, click.Group):
        for name in sorted(one.commands):
            yield from command(one.commands[name], (*words, name))


def prose(text: str) -> Iterator[str]:
    """A help text; what click is told not to wrap is shown as it stands."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            yield from ("```text", paragraph.removeprefix("\b").strip("\n"), "```", "")
        else:
            yield from (paragraph, "")


def meaning_of(parameter: click.Parameter) -> str:
    """What an option does; an argument has only its name."""
    help_text = parameter.help or "" if isinstance(parameter, click.Option) else ""
    choices = ", ".join(map(code, parameter.type.choices)) if isinstance(parameter.type, click.Choice) else ""
    return f"{TOLD_DEFAULT.sub('', help_text)} {choices}".strip()


def default_of(parameter: click.Parameter) -> str:
    """The default: the one that the help tells, or the one that click knows."""
    told = TOLD_DEFAULT.search(parameter.help or "") if isinstance(parameter, click.Option) else None
    default: object = parameter.default
    if told:
        return code(told.group(1))
    return code(str(default)) if isinstance(default, str | int) and not isinstance(default, bool) else ""


def shape() -> Iterator[str]:
    """The JSON Schema of an answer that describes a client."""
    yield from ("```json", json.dumps(schema.client_information_schema(), indent=2, ensure_ascii=False), "```")


def conformance() -> Iterator[str]:
    """How many rows stand where, then each row with the tests that prove it."""
    standing, by_id = ledger.read(), ledger.proven(ledger.proofs())
    counts = [(title, *counted(standing[name])) for name, title in ledger.FILES.values()]
    yield from table(("requirements", *ledger.STATES), counts)
    yield from ("", *(f"- *{state}*: {meaning}." for state, meaning in ledger.STATES.items()), "")
    for name, title in ledger.FILES.values():
        yield from (f"## {title}", "")
        told = [(row.id, row.state, row.level, row.sentence, proof_of(by_id.get(row.id, [])) or row.note) for row in standing[name]]
        yield from (*table(("id", "state", "level", "requirement", "test or note"), told), "")


def counted(rows: Sequence[ledger.Row]) -> list[int]:
    """How many rows each state has."""
    return [sum(row.state == state for row in rows) for state in ledger.STATES]


def proof_of(places: Sequence[str]) -> str:
    """Links to the tests that prove a row."""
    named = [place.partition("::") for place in sorted(places)]
    return ", ".join(f"[{name}](../../{path})" for path, _, name in named)


def differences() -> Iterator[str]:
    """Rows where we differ from the text or chose among what it leaves open."""
    standing, by_id = ledger.rows(ledger.read()), ledger.proven(ledger.proofs())
    for state in ("divergence", "choice"):
        told = [(row.id, row.sentence, row.note, proof_of(by_id.get(row.id, []))) for row in standing.values() if row.state == state]
        yield from (f"## {state.capitalize()}", "", f"{ledger.STATES[state].capitalize()}.", "")
        yield from table(("id", "requirement", "what we do", "test"), told) if told else ("None.",)
        yield ""


CODE = "src/calling_card"

MADE: tuple[Page, ...] = (
    Page("members", "Client metadata", "What a client may say about itself.", f"{CODE}/protocol/members", members),
    Page(
        "schema",
        "JSON Schema of an answer that describes a client",
        "The same table for programs.",
        f"{CODE}/protocol/card/schema.py",
        shape,
    ),
    Page("refusals", "Refusals", "Every way this server says no.", f"{CODE}/protocol/errors.py", refusals),
    Page("endpoints", "Endpoints", "Every path this server answers.", f"{CODE}/web/endpoints.py", paths),
    Page("server-metadata", "Server metadata", "What both metadata documents announce.", f"{CODE}/protocol/server.py", announced),
    Page(
        "settings",
        "Settings",
        "The first that says something wins: command line, environment, the TOML file given with `--config`, default.",
        f"{CODE}/settings.py",
        options,
    ),
    Page("command-line", "Command line", "Exit codes: 0 done, 1 refused, 2 usage, 3 unreachable.", f"{CODE}/cli", commands),
    Page("events", "Audit events", "What the audit log records, and the fields of each event.", f"{CODE}/protocol/events.py", kinds),
    Page(
        "fault-points",
        "Fault points",
        "Where tests let the process die: `CALLING_CARD_FAULT=name:N` ends it at the N-th pass. Without it they do nothing.",
        f"{CODE}/faults.py",
        points,
    ),
    Page("conformance", "Conformance", "Every requirement, its state, and the tests that prove it.", "ledger", conformance),
    Page("divergence", "Divergences and choices", "Where this server differs from a text on purpose, or chose.", "ledger", differences),
)


def render(page: Page) -> str:
    """The whole text of a page."""
    made_from = f"Made by `script/docs` from [`{page.source}`](../../{page.source}); do not edit."
    return "\n".join([f"# {page.title}", "", page.intro, "", made_from, "", *page.body()]).rstrip() + "\n"


def index() -> str:
    """The list of the pages."""
    lines = [f"- [{page.title}]({page.name}.md): {page.intro[0].lower()}{page.intro[1:]}" for page in MADE]
    return "\n".join(["# Reference", "", "Made by `script/docs` from the tables of the code; do not edit.", "", *lines]) + "\n"


def pages() -> Mapping[Path, str]:
    """Every generated file and what it should hold."""
    return {PAGES / "README.md": index(), **{PAGES / f"{page.name}.md": render(page) for page in MADE}}


def stale() -> list[str]:
    """Names of the pages that are not what they should be, or that nobody makes any more."""
    wanted = pages()
    old = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return [path.name for path in [*old, *(path for path in sorted(PAGES.glob("*")) if path not in wanted)]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or say which are stale."""
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description="The reference pages, made from the tables.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 when a page is stale")
    if parser.parse_args(arguments).check:
        old = stale()
        print("reference:", f"stale: {', '.join(old)}; run script/docs" if old else "current")
        return 1 if old else 0
    PAGES.mkdir(parents=True, exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    print(f"reference: {len(MADE)} pages in {PAGES.relative_to(ledger.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
