-- Every table is STRICT and has a rowid; its own key is a UNIQUE index beside it: appending rows measured faster and smaller than
-- ordering them by a random key. What concerns a client begins with its client key. No foreign keys, sequences or triggers: one day a
-- client may live on another machine than its neighbour.

CREATE TABLE clients (
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
    -- NULL: no secret; derived: from the keyring; imported: secret_digest holds a salted digest until the first rotation.
    secret_kind TEXT,
    secret_confirmed INTEGER,
    secret_issued INTEGER,
    secret_confirmed_key INTEGER,
    secret_issued_key INTEGER,
    secret_rotated_at INTEGER,
    secret_overlap_since INTEGER,
    secret_digest BLOB,
    metadata BLOB NOT NULL,
    decision BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX clients_key ON clients (client_key);
CREATE INDEX clients_name ON clients (client_id);

CREATE TABLE grants (
    client_key BLOB NOT NULL,
    grant_id BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    person BLOB NOT NULL,
    state TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    code_deadline INTEGER NOT NULL,
    code_key INTEGER NOT NULL,
    scope TEXT NOT NULL,
    resource TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT,
    nonce TEXT,
    document_version INTEGER,
    cnf BLOB,
    sid BLOB,
    auth_time INTEGER NOT NULL,
    refresh_confirmed INTEGER NOT NULL,
    refresh_issued INTEGER NOT NULL,
    refresh_confirmed_key INTEGER NOT NULL,
    refresh_issued_key INTEGER NOT NULL,
    refresh_rotated_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX grants_key ON grants (client_key, grant_id);
CREATE INDEX grants_person ON grants (person);

CREATE TABLE documents (
    client_key BLOB NOT NULL,
    version INTEGER NOT NULL,
    url TEXT NOT NULL,
    body BLOB,
    digest BLOB,
    etag TEXT,
    last_modified TEXT,
    fetched_at INTEGER NOT NULL,
    fresh_until INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    failed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX documents_key ON documents (client_key, version);

CREATE TABLE marks (
    client_key BLOB NOT NULL,
    mark BLOB NOT NULL,
    kind TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX marks_key ON marks (client_key, mark);

CREATE TABLE people (
    person BLOB NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    password TEXT,
    claims BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX people_key ON people (person);
CREATE UNIQUE INDEX people_name ON people (name);

CREATE TABLE person_state (
    person BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    active INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX person_state_key ON person_state (person);

CREATE TABLE identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    person BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX identities_key ON identities (issuer, subject);
CREATE INDEX identities_person ON identities (person);

CREATE TABLE sessions (
    person BLOB NOT NULL,
    session BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    handle_key INTEGER NOT NULL,
    auth_time INTEGER NOT NULL,
    amr TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX sessions_key ON sessions (person, session);

CREATE TABLE consents (
    person BLOB NOT NULL,
    client_key BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    redirect_uri TEXT NOT NULL,
    resource TEXT NOT NULL,
    scope TEXT NOT NULL,
    document_version INTEGER,
    given_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX consents_key ON consents (person, client_key, redirect_uri, resource, scope);
CREATE INDEX consents_client ON consents (client_key);

CREATE TABLE initial_access_tokens (
    id BLOB NOT NULL,
    handle_key INTEGER NOT NULL,
    label TEXT NOT NULL,
    owner TEXT NOT NULL,
    uses_left INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- NULL: no ceiling of its own; otherwise words with single spaces between them.
    scope TEXT,
    grants TEXT,
    hosts TEXT,
    policy TEXT
) STRICT;
CREATE UNIQUE INDEX initial_access_tokens_key ON initial_access_tokens (id);

CREATE TABLE resources (
    uri TEXT NOT NULL,
    client_key BLOB NOT NULL,
    client_id TEXT NOT NULL,
    tokens TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX resources_key ON resources (uri);
CREATE INDEX resources_client ON resources (client_key);

CREATE TABLE events (
    client_key BLOB NOT NULL,
    writer BLOB NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    content BLOB NOT NULL,
    mac BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_key ON events (writer, number);

CREATE TABLE keys (
    kid TEXT NOT NULL,
    alg TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX keys_key ON keys (kid);

CREATE TABLE settings (
    name TEXT NOT NULL,
    value BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX settings_key ON settings (name);

CREATE TABLE leases (
    name TEXT NOT NULL,
    holder BLOB NOT NULL,
    until INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX leases_key ON leases (name);
