-- Whether a suspended client waits for approval when it is resumed; why one was refused; the digest of the card that was approved.
ALTER TABLE clients ADD COLUMN waits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN refusal TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN approved_card BLOB;
ALTER TABLE pruned_clients ADD COLUMN waits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pruned_clients ADD COLUMN refusal TEXT NOT NULL DEFAULT '';
ALTER TABLE pruned_clients ADD COLUMN approved_card BLOB;

-- Operators ask who waits.
CREATE INDEX clients_held ON clients (client_id, client_key) WHERE state = 'held';

-- Who may use a client that waits for approval, besides whoever registered it.
CREATE TABLE test_persons (
    client_key BLOB NOT NULL,
    person BLOB NOT NULL,
    incarnation BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX test_persons_person ON test_persons (client_key, person);
