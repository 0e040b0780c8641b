-- The whole schema as it was when PostgreSQL joined; it equals the eighth step of SQLite, and a test compares the two.
-- What concerns a client begins with its client key. No foreign keys, sequences, triggers or procedures: on a distributed PostgreSQL a
-- client may live on another machine than its neighbour. Texts are compared byte by byte, as SQLite does.

CREATE TABLE clients (
    client_key bytea NOT NULL,
    route text COLLATE "C" NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    incarnation bytea NOT NULL,
    epoch bigint NOT NULL,
    door text COLLATE "C" NOT NULL,
    tier bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    invitation bytea,
    issued_at bigint NOT NULL,
    secret_expires_at bigint NOT NULL,
    last_used_day bigint NOT NULL,
    rat_confirmed bigint NOT NULL,
    rat_issued bigint NOT NULL,
    rat_confirmed_key bigint NOT NULL,
    rat_issued_key bigint NOT NULL,
    rat_rotated_at bigint NOT NULL,
    rat_overlap_since bigint,
    rat_put_digest bytea,
    secret_kind text COLLATE "C",
    secret_confirmed bigint,
    secret_issued bigint,
    secret_confirmed_key bigint,
    secret_issued_key bigint,
    secret_rotated_at bigint,
    secret_overlap_since bigint,
    secret_digest bytea,
    metadata bytea NOT NULL,
    decision bytea NOT NULL,
    approved bigint NOT NULL DEFAULT 0,
    waits bigint NOT NULL DEFAULT 0,
    refusal text COLLATE "C" NOT NULL DEFAULT '',
    approved_card bytea,
    -- What the card lays claim to, said again: its software, and the schemes of its first redirect URIs that are nobody else's.
    software_id text COLLATE "C",
    software_version text COLLATE "C",
    first_scheme text COLLATE "C",
    second_scheme text COLLATE "C",
    third_scheme text COLLATE "C"
);
CREATE UNIQUE INDEX clients_key ON clients (client_key);
CREATE INDEX clients_name ON clients (client_id);
CREATE INDEX clients_invitation ON clients (invitation) WHERE invitation IS NOT NULL;
CREATE INDEX clients_held ON clients (client_id, client_key) WHERE state = 'held';
CREATE INDEX clients_software ON clients (software_id) WHERE software_id IS NOT NULL;
CREATE INDEX clients_first_scheme ON clients (first_scheme) WHERE first_scheme IS NOT NULL;
CREATE INDEX clients_second_scheme ON clients (second_scheme) WHERE second_scheme IS NOT NULL;
CREATE INDEX clients_third_scheme ON clients (third_scheme) WHERE third_scheme IS NOT NULL;
CREATE INDEX clients_tier ON clients (tier);

CREATE TABLE grants (
    client_key bytea NOT NULL,
    grant_id bytea NOT NULL,
    incarnation bytea NOT NULL,
    person bytea NOT NULL,
    state text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    code_deadline bigint NOT NULL,
    code_key bigint NOT NULL,
    scope text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    redirect_uri text COLLATE "C" NOT NULL,
    code_challenge text COLLATE "C",
    nonce text COLLATE "C",
    document_version bigint,
    cnf bytea,
    sid bytea,
    auth_time bigint NOT NULL,
    refresh_confirmed bigint NOT NULL,
    refresh_issued bigint NOT NULL,
    refresh_confirmed_key bigint NOT NULL,
    refresh_issued_key bigint NOT NULL,
    refresh_rotated_at bigint NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    amr text COLLATE "C" NOT NULL DEFAULT '',
    person_epoch bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX grants_key ON grants (client_key, grant_id);
CREATE INDEX grants_person ON grants (person, client_key);

CREATE TABLE documents (
    client_key bytea NOT NULL,
    version bigint NOT NULL,
    url text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    digest bytea NOT NULL,
    metadata bytea NOT NULL,
    decision bytea NOT NULL,
    etag text COLLATE "C" NOT NULL,
    last_modified text COLLATE "C" NOT NULL,
    seen_at bigint NOT NULL,
    checked_at bigint NOT NULL,
    fresh_until bigint NOT NULL,
    stale_until bigint NOT NULL,
    failed_at bigint NOT NULL,
    failure text COLLATE "C" NOT NULL,
    gone_at bigint NOT NULL
);
CREATE UNIQUE INDEX documents_key ON documents (client_key, version);

CREATE TABLE marks (
    client_key bytea NOT NULL,
    mark bytea NOT NULL,
    kind text COLLATE "C" NOT NULL,
    expires_at bigint NOT NULL,
    grant_id bytea
);
CREATE UNIQUE INDEX marks_key ON marks (client_key, mark);
CREATE INDEX marks_grant ON marks (client_key, grant_id, expires_at);
CREATE INDEX marks_expiry ON marks (client_key, expires_at);

CREATE TABLE test_persons (
    client_key bytea NOT NULL,
    person bytea NOT NULL,
    incarnation bytea NOT NULL
);
CREATE UNIQUE INDEX test_persons_person ON test_persons (client_key, person);

CREATE TABLE consents (
    person bytea NOT NULL,
    client_key bytea NOT NULL,
    incarnation bytea NOT NULL,
    redirect_uri text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    document_version bigint,
    given_at bigint NOT NULL,
    card bytea NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX consents_key ON consents (person, client_key, redirect_uri, resource, scope);
CREATE INDEX consents_client ON consents (client_key);

CREATE TABLE resources (
    uri text COLLATE "C" NOT NULL,
    client_key bytea NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    tokens text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL
);
CREATE UNIQUE INDEX resources_key ON resources (uri);
CREATE INDEX resources_client ON resources (client_key);

-- Clients that were pruned, for as long as they can be brought back. Every column of a client is here too.
CREATE TABLE pruned_clients (
    client_key bytea NOT NULL,
    route text COLLATE "C" NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    incarnation bytea NOT NULL,
    epoch bigint NOT NULL,
    door text COLLATE "C" NOT NULL,
    tier bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    invitation bytea,
    issued_at bigint NOT NULL,
    secret_expires_at bigint NOT NULL,
    last_used_day bigint NOT NULL,
    rat_confirmed bigint NOT NULL,
    rat_issued bigint NOT NULL,
    rat_confirmed_key bigint NOT NULL,
    rat_issued_key bigint NOT NULL,
    rat_rotated_at bigint NOT NULL,
    rat_overlap_since bigint,
    rat_put_digest bytea,
    secret_kind text COLLATE "C",
    secret_confirmed bigint,
    secret_issued bigint,
    secret_confirmed_key bigint,
    secret_issued_key bigint,
    secret_rotated_at bigint,
    secret_overlap_since bigint,
    secret_digest bytea,
    metadata bytea NOT NULL,
    decision bytea NOT NULL,
    approved bigint NOT NULL DEFAULT 0,
    reason text COLLATE "C" NOT NULL,
    pruned_at bigint NOT NULL,
    until bigint NOT NULL,
    waits bigint NOT NULL DEFAULT 0,
    refusal text COLLATE "C" NOT NULL DEFAULT '',
    approved_card bytea,
    software_id text COLLATE "C",
    software_version text COLLATE "C",
    first_scheme text COLLATE "C",
    second_scheme text COLLATE "C",
    third_scheme text COLLATE "C"
);
CREATE UNIQUE INDEX pruned_clients_key ON pruned_clients (client_key);
CREATE INDEX pruned_clients_name ON pruned_clients (client_id);
CREATE INDEX pruned_clients_invitation ON pruned_clients (invitation) WHERE invitation IS NOT NULL;

-- `placed` is the number of the transaction that wrote the row: who reads what lies before the oldest transaction under way misses none.
CREATE TABLE events (
    client_key bytea NOT NULL,
    writer bytea NOT NULL,
    number bigint NOT NULL,
    at bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    content bytea NOT NULL,
    mac bytea NOT NULL,
    placed bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint
);
CREATE UNIQUE INDEX events_key ON events (writer, number);
CREATE INDEX events_placed ON events (placed, writer, number);

CREATE TABLE people (
    person bytea NOT NULL,
    name text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    password text COLLATE "C",
    claims bytea NOT NULL,
    created_at bigint NOT NULL
);
CREATE UNIQUE INDEX people_key ON people (person);
CREATE UNIQUE INDEX people_name ON people (lower(name));

CREATE TABLE person_state (
    person bytea NOT NULL,
    epoch bigint NOT NULL,
    active bigint NOT NULL
);
CREATE UNIQUE INDEX person_state_key ON person_state (person);

CREATE TABLE identities (
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    person bytea NOT NULL,
    created_at bigint NOT NULL
);
CREATE UNIQUE INDEX identities_key ON identities (issuer, subject);
CREATE INDEX identities_person ON identities (person);

CREATE TABLE sessions (
    person bytea NOT NULL,
    session bytea NOT NULL,
    epoch bigint NOT NULL,
    handle_key bigint NOT NULL,
    auth_time bigint NOT NULL,
    amr text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    browser text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX sessions_key ON sessions (person, session);

CREATE TABLE passkeys (
    person bytea NOT NULL,
    id bytea NOT NULL,
    public_key bytea NOT NULL,
    count bigint NOT NULL,
    label text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint NOT NULL
);
CREATE UNIQUE INDEX passkeys_key ON passkeys (id);
CREATE INDEX passkeys_person ON passkeys (person);

CREATE TABLE initial_access_tokens (
    id bytea NOT NULL,
    handle_key bigint NOT NULL,
    label text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    uses_left bigint NOT NULL,
    expires_at bigint NOT NULL,
    created_at bigint NOT NULL,
    scope text COLLATE "C",
    grants text COLLATE "C",
    hosts text COLLATE "C",
    policy text COLLATE "C",
    revoked_at bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX initial_access_tokens_key ON initial_access_tokens (id);

CREATE TABLE hosted_documents (
    id text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    owner text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE UNIQUE INDEX hosted_documents_key ON hosted_documents (id);
CREATE INDEX hosted_documents_expiry ON hosted_documents (expires_at);

CREATE TABLE keys (
    kid text COLLATE "C" NOT NULL,
    alg text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    until bigint NOT NULL,
    sealed bytea NOT NULL
);
CREATE UNIQUE INDEX keys_key ON keys (kid);

CREATE TABLE webhooks (
    id bytea NOT NULL,
    url text COLLATE "C" NOT NULL,
    types text COLLATE "C" NOT NULL,
    label text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    generation bigint NOT NULL,
    handle_key bigint NOT NULL,
    former_key bigint NOT NULL,
    rotated_at bigint NOT NULL,
    told_writer bytea NOT NULL,
    told_number bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    delivered bigint NOT NULL,
    dropped bigint NOT NULL,
    failures bigint NOT NULL,
    failing_since bigint NOT NULL,
    retry_at bigint NOT NULL,
    answer text COLLATE "C" NOT NULL,
    answered_at bigint NOT NULL,
    placed bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint
);
CREATE UNIQUE INDEX webhooks_key ON webhooks (id);

CREATE TABLE settings (
    name text COLLATE "C" NOT NULL,
    value bytea NOT NULL
);
CREATE UNIQUE INDEX settings_key ON settings (name);

CREATE TABLE leases (
    name text COLLATE "C" NOT NULL,
    holder bytea NOT NULL,
    until bigint NOT NULL
);
CREATE UNIQUE INDEX leases_key ON leases (name);
