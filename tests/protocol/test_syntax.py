"""Strict JSON: what is taken, and that everything else is `invalid_request` and nothing worse."""

import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.protocol.clients import JSON
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.syntax import ECHOED, echo, listed, read_form, read_object, twice
from tests.ledger import meets


def refusal(body: bytes, **limits: int) -> str:
    """The description under which a body is refused."""
    with pytest.raises(Refusal) as caught:
        read_object(body, **limits)
    assert caught.value.no is No.INVALID_REQUEST
    assert caught.value.description.isascii()
    return caught.value.description


def outcome(body: bytes) -> dict[str, JSON] | Refusal:
    """What becomes of a body."""
    try:
        return read_object(body)
    except Refusal as refused:
        return refused


@meets("R-04")
def test_one_object_is_read_with_its_order_and_types() -> None:
    said = read_object(b' {"b": [1, 1.0, true, null, "x"], "a": {"c": -7}} \n')

    assert list(said) == ["b", "a"]
    assert repr(said["b"]) == "[1, 1.0, True, None, 'x']"
    assert said["a"] == {"c": -7}


@meets("S0-17")
def test_escapes_are_decoded_to_text() -> None:
    said = read_object(rb'{"client_name#ja-Jpan-JP": "\u304a\u8336\u5c4b \ud83c\udf75", "\u0061": ["\/", 7, {}]}')

    assert said == {"client_name#ja-Jpan-JP": "お茶屋 🍵", "a": ["/", 7, {}]}


@meets("R-04")
@pytest.mark.parametrize("body", [b"[]", b'["a"]', b'"text"', b"7", b"null", b"true"])
def test_anything_but_an_object_is_refused(body: bytes) -> None:
    assert "one JSON object" in refusal(body)


@meets("R-04")
@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b'{"a"}', b'{"a":1,}', b"{'a':1}", b'{"a":1} x', b"{}{}", b'{"a":01}', b'{"a":+1}', b'{"a":"\t"}', b'{"a":"b\\x"}'],
)
def test_what_is_not_json_is_refused_at_its_place(body: bytes) -> None:
    assert "not valid JSON at character" in refusal(body)


@meets("R-04", "X-61")
@pytest.mark.parametrize(
    "body, name",
    [
        (b'{"a":1,"a":1}', "'a'"),
        (b'{"a":1,"b":2,"\\u0061":3}', "'a'"),
        (b'{"x":{"k":1,"k":2}}', "'k'"),
        (b'{"x":[[{"k":null,"k":null}]]}', "'k'"),
        ('{"ä":1,"\\u00e4":2}'.encode(), "'%C3%A4'"),
        (b'{"":1,"":2}', "''"),
    ],
)
def test_a_name_said_twice_is_refused_wherever_it_stands(body: bytes, name: str) -> None:
    assert f"names the member {name} twice" in refusal(body)


@meets("R-04")
@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_words_for_numbers_that_json_does_not_have_are_refused(word: str) -> None:
    assert f"uses {word}, which is not JSON" in refusal(f'{{"a":[{word}]}}'.encode())


@meets("X-63")
@pytest.mark.parametrize("number", ["1e400", "-1e999", "1" * 41 + ".0", "1." + "0" * 60])
def test_a_number_that_no_float_holds_is_refused(number: str) -> None:
    assert "too large or too long" in refusal(f'{{"a":{number}}}'.encode())


@meets("X-60", "X-63")
@pytest.mark.parametrize("number", [str(2**64), str(-(2**63) - 1), "9" * 21, "-" + "9" * 20, "9" * 60_000])
def test_an_integer_beyond_64_bits_is_refused(number: str) -> None:
    assert "more than 64 bits" in refusal(f'{{"a":{number}}}'.encode())


@meets("X-63")
def test_minus_zero_and_fractions_are_not_integers() -> None:
    said = read_object(b'{"a":-0,"b":1.0,"c":1e3,"d":18446744073709551615}')

    assert [type(value) for value in said.values()] == [float, float, float, int]


@meets("R-04", "X-62")
@pytest.mark.parametrize("text", [r"\ud800", r"\udc00", r"\ud83c.", r"\udf75\ud83c"])
@pytest.mark.parametrize("shape", ['{"a":"%s"}', '{"%s":1}', '{"a":[{"b":["%s"]}]}'])
def test_half_a_surrogate_pair_is_refused(text: str, shape: str) -> None:
    assert "surrogate" in refusal((shape % text).encode())


@meets("X-62")
@pytest.mark.parametrize("body", [rb'{"a":"\u0000"}', rb'{"x\u0000":1}', rb'{"a":["b",{"c":"d\u0000e"}]}'])
def test_the_nul_character_is_refused(body: bytes) -> None:
    assert "U+0000" in refusal(body)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert read_object(rb'{"a":"\\u0000"}') == {"a": r"\u0000"}


@meets("R-04", "X-62")
@pytest.mark.parametrize(
    "body", ['{"a":1}'.encode("utf-16"), '{"a":"é"}'.encode("latin-1"), b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\xaf"}', b'{"a":"\xff"}']
)
def test_what_is_not_utf_8_is_refused(body: bytes) -> None:
    assert "must be UTF-8" in refusal(body)


@meets("X-62")
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_wider_encodings_without_a_mark_are_no_json(encoding: str) -> None:
    assert "not valid JSON" in refusal('{"a":1}'.encode(encoding))


@meets("X-62")
def test_a_byte_order_mark_is_refused() -> None:
    assert "byte order mark" in refusal(b'\xef\xbb\xbf{"a":1}')


@meets("X-60", "R-15")
def test_depth_is_counted_before_anything_is_built() -> None:
    eight = b'{"a":' + b"[" * 7 + b"]" * 7 + b"}"
    nine = b'{"a":' + b"[" * 8 + b"]" * 8 + b"}"

    assert read_object(eight)
    assert "deeper than 8 levels" in refusal(nine)
    assert "deeper than 8 levels" in refusal(b'{"a":' + b"[" * 60_000)
    assert "deeper than 2 levels" in refusal(b'{"a":{"b":{}}}', depth=2)


@meets("X-60", "R-15")
def test_brackets_and_colons_in_texts_do_not_count() -> None:
    said = read_object(json.dumps({"a": "[{:" * 200, "b\\": '\\"[[[[[[[[['}).encode())

    assert said == {"a": "[{:" * 200, "b\\": '\\"[[[[[[[[['}


def test_many_objects_side_by_side_are_not_deep() -> None:
    assert len(read_object(b'{"a":[' + b",".join([b"{}"] * 500) + b"]}")["a"] or ()) == 500  # type: ignore[arg-type] # it is a list


@meets("X-60", "R-15")
def test_members_are_counted_in_the_whole_body() -> None:
    flat = json.dumps({f"m{index}": index for index in range(200)}).encode()
    spread = json.dumps({"a": [{f"m{index}": index} for index in range(200)]}).encode()

    assert len(read_object(flat)) == 200
    assert "more than 200 members" in refusal(spread)
    assert "more than 1 members" in refusal(b'{"a":1,"b":2}', members=1)


@meets("R-18")
@pytest.mark.parametrize("text", ["a" * 500, "é" * 80, '"\\<>%', "\n\x00\x7f", "🍵" * 19 + "ab", "\ud800", "a" * 81, "a" * 78 + "é"])
def test_an_echo_is_short_ascii_that_an_error_description_may_hold(text: str) -> None:
    shown = echo(text)

    assert len(shown) <= ECHOED
    assert all(0x20 <= ord(char) <= 0x7E and char not in '"\\' for char in shown)


@meets("R-18")
def test_an_echo_says_when_it_was_cut_and_never_within_an_escape() -> None:
    assert echo("a" * 80) == "a" * 80
    assert echo("a" * 81) == "a" * 77 + "..."
    assert echo("a" * 76 + "é") == "a" * 76 + "..."
    assert echo("a" * 75 + "é") == "a" * 75 + "..."
    assert echo("a" * 74 + "é") == "a" * 74 + "%C3%A9"
    assert echo("tea & biscuits") == "tea & biscuits"


@meets("R-04", "X-60")
@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\u0eNaI-.1 d', max_size=80).map(str.encode))
def test_any_bytes_get_an_object_or_invalid_request(body: bytes) -> None:
    found = outcome(body)

    if isinstance(found, Refusal):
        assert found.no is No.INVALID_REQUEST
        assert found.description.isascii()
    else:
        assert json.loads(json.dumps(found)) == found


@given(st.text(st.sampled_from("a=&+%41C3BCé \0"), max_size=30))
def test_a_form_is_read_as_the_standard_library_reads_it(text: str) -> None:
    try:
        expected = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=5)
    except ValueError:
        with pytest.raises(ValueError, match=r"fields|utf-8"):
            read_form(text, 5)
        return

    assert read_form(text, 5) == expected


@pytest.mark.parametrize(
    "pairs, lists, name",
    [
        ([], (), None),
        ([("a", "1"), ("b", "1")], (), None),
        ([("a", "1"), ("b", "1"), ("c", ""), ("b", "2"), ("a", "2")], (), "b"),
        ([("a", "1"), ("a", "2"), ("b", "1")], ("a",), None),
        ([("a", "1"), ("a", "2"), ("b", "1"), ("b", "1")], ("a",), "b"),
        ([("", "1"), ("", "2")], (), ""),
    ],
)
def test_the_first_name_that_comes_twice_is_found_unless_it_is_a_list(
    pairs: list[tuple[str, str]], lists: tuple[str, ...], name: str | None
) -> None:
    assert twice(pairs, lists) == name


def test_a_list_of_a_form_keeps_its_order_and_its_repeats_and_nothing_empty() -> None:
    pairs = [("a", "2"), ("b", "3"), ("a", ""), ("a", "1"), ("a", "2")]

    assert (listed(pairs, "a"), listed(pairs, "c")) == (("2", "1", "2"), ())
