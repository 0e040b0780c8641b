-- Versions of client documents as they are read. Nothing was ever kept in the table of the first schema.
DROP TABLE documents;

CREATE TABLE documents (
    client_key BLOB NOT NULL,
    version INTEGER NOT NULL,
    url TEXT NOT NULL,
    body BLOB NOT NULL,
    digest BLOB NOT NULL,
    metadata BLOB NOT NULL,
    decision BLOB NOT NULL,
    etag TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    fresh_until INTEGER NOT NULL,
    stale_until INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    failure TEXT NOT NULL,
    gone_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX documents_key ON documents (client_key, version);

-- Metadata documents that developers have hosted here.
CREATE TABLE hosted_documents (
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX hosted_documents_key ON hosted_documents (id);
CREATE INDEX hosted_documents_expiry ON hosted_documents (expires_at);
