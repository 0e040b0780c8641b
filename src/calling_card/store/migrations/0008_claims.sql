-- Who else calls itself this software, and who else has this private-use scheme: asked of newcomers that say so, and of nobody else.
-- Only the first three redirect URIs lay claim to a scheme.
CREATE INDEX clients_software ON clients (json_extract(CAST(metadata AS TEXT), '$.software_id'))
    WHERE json_extract(CAST(metadata AS TEXT), '$.software_id') IS NOT NULL;
CREATE INDEX clients_first_scheme ON clients (lower(substr(json_extract(CAST(metadata AS TEXT), '$.redirect_uris[0]'), 1, instr(json_extract(CAST(metadata AS TEXT), '$.redirect_uris[0]'), ':') - 1)))
    WHERE json_extract(CAST(metadata AS TEXT), '$.redirect_uris[0]') NOT LIKE 'http%';
CREATE INDEX clients_second_scheme ON clients (lower(substr(json_extract(CAST(metadata AS TEXT), '$.redirect_uris[1]'), 1, instr(json_extract(CAST(metadata AS TEXT), '$.redirect_uris[1]'), ':') - 1)))
    WHERE json_extract(CAST(metadata AS TEXT), '$.redirect_uris[1]') NOT LIKE 'http%';
CREATE INDEX clients_third_scheme ON clients (lower(substr(json_extract(CAST(metadata AS TEXT), '$.redirect_uris[2]'), 1, instr(json_extract(CAST(metadata AS TEXT), '$.redirect_uris[2]'), ':') - 1)))
    WHERE json_extract(CAST(metadata AS TEXT), '$.redirect_uris[2]') NOT LIKE 'http%';

-- How many there are of a tier, where the operator's policy says how many there may be.
CREATE INDEX clients_tier ON clients (tier);
