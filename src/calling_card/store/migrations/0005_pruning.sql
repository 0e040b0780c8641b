-- Whether anybody ever redeemed a grant of the client, for when the rows of these grants are swept away.
ALTER TABLE clients ADD COLUMN approved INTEGER NOT NULL DEFAULT 0;

-- An initial access token stays while there is a client that it let in: it is that client's ceiling.
CREATE INDEX clients_invitation ON clients (invitation) WHERE invitation IS NOT NULL;

-- Clients that were pruned, for as long as they can be brought back. Every column of a client is here too.
CREATE TABLE pruned_clients (
    client_key BLOB NOT NULL,
    route TEXT NOT NULL,
    client_id TEXT NOT NULL,
    incarnation BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    door TEXT NOT NULL,
    tier INTEGER NOT NULL,
    state TEXT NOT NULL,
    owner TEXT NOT NULL,
    invitation BLOB,
    issued_at INTEGER NOT NULL,
    secret_expires_at INTEGER NOT NULL,
    last_used_day INTEGER NOT NULL,
    rat_confirmed INTEGER NOT NULL,
    rat_issued INTEGER NOT NULL,
    rat_confirmed_key INTEGER NOT NULL,
    rat_issued_key INTEGER NOT NULL,
    rat_rotated_at INTEGER NOT NULL,
    rat_overlap_since INTEGER,
    rat_put_digest BLOB,
    secret_kind TEXT,
    secret_confirmed INTEGER,
    secret_issued INTEGER,
    secret_confirmed_key INTEGER,
    secret_issued_key INTEGER,
    secret_rotated_at INTEGER,
    secret_overlap_since INTEGER,
    secret_digest BLOB,
    metadata BLOB NOT NULL,
    decision BLOB NOT NULL,
    approved INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL,
    pruned_at INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX pruned_clients_key ON pruned_clients (client_key);
CREATE INDEX pruned_clients_name ON pruned_clients (client_id);
CREATE INDEX pruned_clients_invitation ON pruned_clients (invitation) WHERE invitation IS NOT NULL;
