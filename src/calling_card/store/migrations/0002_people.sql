-- What people, their grants and their passkeys need beyond the first schema.

ALTER TABLE grants ADD COLUMN amr TEXT NOT NULL DEFAULT '';
ALTER TABLE grants ADD COLUMN person_epoch INTEGER NOT NULL DEFAULT 0;

-- A person's grants are asked for as a whole and client by client.
DROP INDEX grants_person;
CREATE INDEX grants_person ON grants (person, client_key);

-- NULL: a token without a grant. Marks are counted for each grant and swept for each client, oldest first.
ALTER TABLE marks ADD COLUMN grant_id BLOB;
CREATE INDEX marks_grant ON marks (client_key, grant_id, expires_at);
CREATE INDEX marks_expiry ON marks (client_key, expires_at);

-- Empty: nobody knows what the client looked like; it equals no card.
ALTER TABLE consents ADD COLUMN card BLOB NOT NULL DEFAULT x'';

ALTER TABLE sessions ADD COLUMN browser TEXT NOT NULL DEFAULT '';

-- Alice and alice are one name.
DROP INDEX people_name;
CREATE UNIQUE INDEX people_name ON people (name COLLATE NOCASE);

CREATE TABLE passkeys (
    person BLOB NOT NULL,
    id BLOB NOT NULL,
    public_key BLOB NOT NULL,
    count INTEGER NOT NULL,
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX passkeys_key ON passkeys (id);
CREATE INDEX passkeys_person ON passkeys (person);
