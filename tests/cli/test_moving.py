"""``calling-card import``: looking first leaves no trace."""

from pathlib import Path

from tests.cli.conftest import ISSUER, Operator

CLIENTS = '[{"client_id": "ledger", "client_secret": "an old secret of the ledger", "redirect_uris": ["https://ledger.example/cb"]}]'


def test_a_rehearsal_of_an_import_makes_no_data_folder(tmp_path: Path) -> None:
    nowhere, file = Operator(tmp_path / "nowhere"), tmp_path / "clients.json"
    file.write_text(CLIENTS, encoding="utf-8")

    ends = [nowhere.run("import", str(file), "--from", "hydra", "--dry-run", *more) for more in ((), ("--issuer", ISSUER))]

    assert [end.exit_code for end in ends] == [3, 3]
    assert all(f"there is no data folder at {nowhere.data}" in end.stderr for end in ends)
    assert not nowhere.data.exists()


def test_an_import_makes_its_data_folder_and_a_rehearsal_of_the_same_changes_nothing(tmp_path: Path) -> None:
    fresh, file = Operator(tmp_path / "fresh"), tmp_path / "clients.json"
    file.write_text(CLIENTS, encoding="utf-8")

    assert fresh.run("import", str(file), "--from", "hydra", "--issuer", ISSUER).exit_code == 0
    said = fresh.run("import", str(file), "--from", "hydra", "--dry-run")

    assert said.exit_code == 0
    assert "would be: 0 new, 1 same" in said.stdout
