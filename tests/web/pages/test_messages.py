"""Every text in every language, and no text anywhere else."""

from collections.abc import Iterator, Mapping
from string import Formatter

import pytest

from calling_card.protocol.errors import No
from calling_card.web.pages.messages import LANGUAGES, MESSAGES, Row, spoken, texts
from calling_card.web.pages.press import press
from tests.web.pages.gallery import DONE, PROBLEMS, VIEWS, filled
from tests.web.pages.reading import read

HERE = "https://127.0.0.1/1"


def places(text: str) -> set[str]:
    """The names of what is put into a text."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("id", MESSAGES)
def test_a_message_is_there_in_both_languages_with_the_same_places(id: str) -> None:
    row = MESSAGES[id]

    assert row.en.strip() == row.en != ""
    assert row.ja.strip() == row.ja != ""
    assert places(row.en) == places(row.ja)
    assert all(name.isidentifier() for name in places(row.en))


def test_a_row_and_the_table_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        MESSAGES["sign_in.submit"].en = "Go"  # type: ignore[misc] # that it cannot be assigned is the point
    with pytest.raises(TypeError):
        MESSAGES["new"] = Row("a", "b")  # type: ignore[index] # the same


@pytest.mark.parametrize("code", sorted({no.code for no in No}))
def test_every_refusal_has_a_constant_text(code: str) -> None:
    assert f"error.{code}" in MESSAGES


@pytest.mark.parametrize("id", [*(f"problem.{problem}" for problem in PROBLEMS), *(f"done.{done}" for done in DONE)])
def test_everything_that_can_happen_on_a_form_has_a_text(id: str) -> None:
    assert id in MESSAGES


@pytest.mark.parametrize(
    "languages,expected",
    [
        ((), "en"),
        (("ja",), "ja"),
        (("ja-JP", "en"), "ja"),
        (("en-GB", "ja"), "en"),
        (("fr", "JA-Latn-JP", "en"), "ja"),
        (("fr", "de"), "en"),
        (("*",), "en"),
        (("jav", "x-ja"), "en"),
    ],
)
def test_a_reader_gets_the_first_of_their_languages_that_we_speak(languages: tuple[str, ...], expected: str) -> None:
    assert spoken(languages) == expected
    assert expected in LANGUAGES


class Watched(Mapping[str, str]):
    """A language that notes what is looked up."""

    def __init__(self, said: Mapping[str, str]) -> None:
        self.said = said
        self.asked: set[str] = set()

    def __getitem__(self, id: str) -> str:
        self.asked.add(id)
        return self.said[id]

    def __contains__(self, id: object) -> bool:
        return id in self.said

    def __iter__(self) -> Iterator[str]:
        return iter(self.said)

    def __len__(self) -> int:
        return len(self.said)


def test_every_message_is_said_on_some_page() -> None:
    language = Watched(texts("en"))

    for view in VIEWS.values():
        press(view, "en", language, "https://auth.example")

    assert set(MESSAGES) - language.asked == set()


@pytest.mark.parametrize("name", VIEWS)
def test_no_page_says_anything_that_is_not_in_the_table(name: str) -> None:
    silent = {id: "".join("{" + place + "}" for place in places(row.en)) for id, row in MESSAGES.items()}
    page = read(press(filled(VIEWS[name], "0 1", spare=frozenset({"code"})), "en", silent, HERE))

    said = [text for text, place in page.texts if place.attributes.get("id") != "error-code"]
    said += [
        one.attributes[name] for one in page.elements for name in ("title", "alt", "placeholder", "aria-label") if name in one.attributes
    ]
    assert [text for text in said if any(letter.isalpha() for letter in text)] == []
