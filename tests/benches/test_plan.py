import pytest

from benches.plan import BadPlan, Flow, Plan, Step, Table, path, query, rows_of, said


def test_a_request_is_written_with_its_length_and_without_its_last_line() -> None:
    plan = Plan([Flow([Step("GET", "/keys", 200, [("Accept", "*/*")])])])

    head = "GET /keys HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n"
    assert plan.written() == f"flow 1.0 -1 0 -1 1 0\nstep 200 0 {len(head)} 0\n{head}\n".encode()


def test_holes_are_columns_first_and_then_what_was_captured() -> None:
    table = Table(("path", "rat"), [["/register/c1", "cc_rat_1"]])
    replaced = Step("PUT", "«path»", 200, [("Authorization", "Bearer «rat»")], "{}", [said("registration_access_token", "rat")])
    read = Step("GET", "«uri»?n=«#»", 200)
    first = Step("GET", "/authorize", 303, captures=[query("code"), path("registration_client_uri", "uri")])

    written = Plan([Flow([first, replaced, read], "cards", into="cards")], {"cards": table}).written().decode()

    assert written.startswith("table 2 1\n/register/c1\tcc_rat_1\nflow 1.0 0 0 0 3 2 0 1\n")
    assert "capture 2 q code\ncapture 3 p registration_client_uri\n" in written
    assert "capture 1 j registration_access_token\n" in written
    assert "PUT \x01A HTTP/1.1\r\n" in written
    assert "Bearer \x01B\r\n" in written
    assert "GET \x01D?n=\x01# HTTP/1.1\r\n" in written


def test_the_length_of_a_body_is_told_in_bytes() -> None:
    written = Plan([Flow([Step("POST", "/register", 201, body='{"client_name":"クライアント"}')])]).written()

    length = int(written.split(b"\n")[1].split()[4])
    assert written.endswith('{"client_name":"クライアント"}\n'.encode())
    assert length == len('{"client_name":"クライアント"}'.encode())


@pytest.mark.parametrize(
    "plan, why",
    [
        (Plan([Flow([Step("GET", "/«token»", 200)])]), "«token» is neither a column nor captured; there are none"),
        (Plan([Flow([Step("GET", "/", 200)], "t")], {"t": Table(("a", "b"), [["one"]])}), "table t: a row does not fit its columns"),
        (Plan([Flow([Step("GET", "/", 200)], "t")], {"t": Table(("a",), [["one\ttwo"]])}), "table t: a row does not fit its columns"),
        (Plan([Flow([Step("GET", "/", 200)], "t")], {"t": Table([f"c{n}" for n in range(17)])}), "a flow has more than 16 names: c0, "),
    ],
    ids=["a hole of nobody", "a row too short", "a tab in a value", "too many names"],
)
def test_a_plan_that_cannot_be_followed_is_refused(plan: Plan, why: str) -> None:
    with pytest.raises(BadPlan) as refused:
        plan.written()

    assert str(refused.value).startswith(why)


def test_what_the_load_left_in_a_table_is_read_again() -> None:
    assert rows_of(["/register/c1\tcc_rat_1\n", "/register/c2\t\n"]) == [["/register/c1", "cc_rat_1"], ["/register/c2", ""]]
