-- What a key may be used for and from where, and what it was before it was rotated, kept apart because api_keys has exactly
-- the document's columns.
CREATE TABLE api_key_grants (
    api_key_id UUID PRIMARY KEY REFERENCES api_keys (id) ON DELETE CASCADE,
    scopes TEXT[] NOT NULL,
    -- In CIDR notation; anywhere, if there is none.
    allowed_networks TEXT[] NOT NULL DEFAULT '{}',
    previous_key VARCHAR(255),
    previous_valid_until TIMESTAMP,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT api_key_grants_scopes_check
        CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'write', 'deploy', 'admin']),
    CONSTRAINT api_key_grants_allowed_networks_check CHECK (allowed_networks::cidr[] IS NOT NULL),
    CONSTRAINT api_key_grants_previous_key_check CHECK ((previous_key IS NULL) = (previous_valid_until IS NULL))
);
CREATE UNIQUE INDEX api_key_grants_previous_key_unique ON api_key_grants (previous_key);

ALTER TABLE api_key_grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key_grants FORCE ROW LEVEL SECURITY;
CREATE POLICY api_key_grants_tenant ON api_key_grants TO nomad_services_app
    USING (EXISTS (
        SELECT FROM api_keys
        WHERE api_keys.id = api_key_grants.api_key_id
          AND api_keys.tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid)
    ))
    WITH CHECK (EXISTS (
        SELECT FROM api_keys
        WHERE api_keys.id = api_key_grants.api_key_id
          AND api_keys.tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid)
    ));
CREATE POLICY api_key_grants_system ON api_key_grants TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON api_key_grants TO nomad_services_app;
GRANT SELECT ON api_key_grants TO nomad_services_system;

-- People who may join a tenant: whoever shows the token that was told once becomes a user of it.
CREATE TABLE invitations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    email VARCHAR(255) NOT NULL,
    role VARCHAR(50) NOT NULL,
    token_hash BYTEA NOT NULL,
    invited_by UUID NOT NULL REFERENCES users (id),
    expires_at TIMESTAMP NOT NULL,
    accepted_at TIMESTAMP,
    accepted_by UUID REFERENCES users (id),
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT invitations_role_check CHECK (role IN ('user', 'tenant_admin'))
);
CREATE UNIQUE INDEX invitations_token_hash_unique ON invitations (token_hash);
CREATE INDEX invitations_tenant_id_created_at_id_idx ON invitations (tenant_id, created_at, id);
CREATE INDEX invitations_invited_by_idx ON invitations (invited_by);
CREATE INDEX invitations_accepted_by_idx ON invitations (accepted_by);

ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY invitations_tenant ON invitations TO nomad_services_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY invitations_system ON invitations TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON invitations TO nomad_services_app;
GRANT SELECT, UPDATE ON invitations TO nomad_services_system;

CREATE TRIGGER keep_tenant BEFORE UPDATE OF tenant_id ON invitations FOR EACH ROW
    WHEN (OLD.tenant_id IS DISTINCT FROM NEW.tenant_id) EXECUTE FUNCTION keep_tenant();
CREATE TRIGGER refuse_foreign_inviter AFTER INSERT OR UPDATE OF invited_by ON invitations
    FOR EACH ROW EXECUTE FUNCTION refuse_foreign_user('invited_by');
CREATE TRIGGER refuse_foreign_guest AFTER INSERT OR UPDATE OF accepted_by ON invitations
    FOR EACH ROW EXECUTE FUNCTION refuse_foreign_user('accepted_by');

-- Attempts to sign in, counted for an account and for a client's network, by every replica in the same place. The subject
-- is a hash: who tried to sign in where can't be read from it. Only the system role sees it, as nobody has signed in yet.
CREATE TABLE sign_in_throttles (
    subject BYTEA PRIMARY KEY,
    attempts INTEGER NOT NULL,
    -- The last attempt that was not put off.
    last_attempt UUID NOT NULL,
    blocked_until TIMESTAMP,
    expires_at TIMESTAMP NOT NULL
);
CREATE INDEX sign_in_throttles_expires_at_idx ON sign_in_throttles (expires_at);
ALTER TABLE sign_in_throttles ENABLE ROW LEVEL SECURITY;
ALTER TABLE sign_in_throttles FORCE ROW LEVEL SECURITY;
CREATE POLICY sign_in_throttles_system ON sign_in_throttles TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_throttles TO nomad_services_system;

-- Whoever is deactivated has no session and no key any more, and gets none back by being activated again. A trigger, so
-- that it holds for every way in, and as the owner, because a tenant's administrator sees nobody else's sessions.
DO $$
DECLARE
    owned TEXT;
    command TEXT;
BEGIN
    FOREACH owned IN ARRAY ARRAY['refresh_tokens', 'api_keys'] LOOP
        FOREACH command IN ARRAY ARRAY['SELECT', 'UPDATE'] LOOP
            EXECUTE format(
                'CREATE POLICY %I ON %I FOR %s TO %I USING (pg_trigger_depth() > 0)',
                owned || '_triggers_' || lower(command), owned, command, current_user);
        END LOOP;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION end_access() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE refresh_tokens SET revoked_at = CURRENT_TIMESTAMP
    WHERE user_id = NEW.id AND used_at IS NULL AND revoked_at IS NULL;
    UPDATE api_keys SET is_active = false, updated_at = CURRENT_TIMESTAMP WHERE user_id = NEW.id AND is_active;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION end_access() FROM PUBLIC;
CREATE TRIGGER end_access AFTER UPDATE OF is_active ON users FOR EACH ROW
    WHEN (OLD.is_active IS TRUE AND NEW.is_active IS NOT TRUE) EXECUTE FUNCTION end_access();

SELECT audit_table('api_key_grants', 'api_key_grant', 'api-keys', '{previous_key}',
    tenant_table => 'api_keys', tenant_column => 'api_key_id', id_column => 'api_key_id');
SELECT audit_table('invitations', 'invitation', 'invitations', '{token_hash}');
