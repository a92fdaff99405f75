-- Whom pgbench can name in the server's own statements: everybody who has signed in, and for its creates everybody whose
-- tenant has no services, with a session made here. Only the server's login reads it, neither of the roles it works as.
INSERT INTO refresh_tokens (family_id, user_id, token_hash, expires_at)
SELECT gen_random_uuid(), id, decode(md5(id::text), 'hex'), LOCALTIMESTAMP + INTERVAL '7 days' FROM users
WHERE username LIKE 'user-%' AND NOT EXISTS (SELECT FROM refresh_tokens WHERE user_id = users.id)
    AND NOT EXISTS (SELECT FROM services WHERE tenant_id = users.tenant_id);
CREATE SCHEMA bench;
CREATE TABLE bench.callers AS
SELECT row_number() OVER (ORDER BY number) - 1 AS place, tenant, person, session,
    md5('service ' || number || ' 1')::uuid::text AS service
FROM (
    SELECT DISTINCT ON (users.id) substr(username, 6)::int AS number, tenant_id::text AS tenant,
        users.id::text AS person, family_id::text AS session
    FROM users JOIN refresh_tokens ON user_id = users.id WHERE username LIKE 'user-%'
    ORDER BY users.id, refresh_tokens.created_at DESC
) AS numbered;
CREATE UNIQUE INDEX ON bench.callers (place);
GRANT USAGE ON SCHEMA bench TO nomad_services;
GRANT SELECT ON bench.callers TO nomad_services;
ANALYZE bench.callers, refresh_tokens;
