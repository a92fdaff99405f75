-- What a tenant's secret values are encrypted under, kept apart from the document's tables because a key is no
-- part of what it protects. Each is wrapped by a key-encryption key, which is never in the database.
CREATE TABLE tenant_keys (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    -- The platform has a key of its own: for templates of nobody's tenant, and to see whether the key-encryption
    -- key fits.
    tenant_id UUID REFERENCES tenants (id),
    version INTEGER NOT NULL,
    -- Gone once the key is retired, and with it what was encrypted under it.
    wrapped BYTEA,
    -- Names the key-encryption key.
    wrapped_by VARCHAR(16) NOT NULL,
    -- active: new values are encrypted under it; old: values may be left; retired: none is.
    state VARCHAR(50) NOT NULL DEFAULT 'active',
    -- The rotation that made it.
    rotation_id UUID,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    retired_at TIMESTAMP,
    CONSTRAINT tenant_keys_state_check CHECK (state IN ('active', 'old', 'retired')),
    CONSTRAINT tenant_keys_retired_check
        CHECK ((state = 'retired') = (wrapped IS NULL) AND (state = 'retired') = (retired_at IS NOT NULL))
);
CREATE UNIQUE INDEX tenant_keys_tenant_id_version_unique ON tenant_keys (tenant_id, version);
-- One active key for a tenant, and one for the platform, whose NULL would be unlike any other.
CREATE UNIQUE INDEX tenant_keys_active_unique
    ON tenant_keys ((COALESCE(tenant_id, '00000000-0000-0000-0000-000000000000'))) WHERE state = 'active';

ALTER TABLE tenant_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_keys_tenant ON tenant_keys TO nomad_services_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY tenant_keys_system ON tenant_keys TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON tenant_keys TO nomad_services_app;
GRANT SELECT, INSERT, UPDATE ON tenant_keys TO nomad_services_system;

-- Rotations of the data keys: one that was interrupted goes on where it was, instead of making further keys.
CREATE TABLE key_rotations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    started_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    finished_at TIMESTAMP
);
-- One under way.
CREATE UNIQUE INDEX key_rotations_unfinished_unique ON key_rotations ((finished_at IS NULL)) WHERE finished_at IS NULL;

ALTER TABLE key_rotations ENABLE ROW LEVEL SECURITY;
ALTER TABLE key_rotations FORCE ROW LEVEL SECURITY;
CREATE POLICY key_rotations_system ON key_rotations TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON key_rotations TO nomad_services_system;

CREATE TRIGGER keep_tenant BEFORE UPDATE OF tenant_id ON tenant_keys
    FOR EACH ROW WHEN (OLD.tenant_id IS DISTINCT FROM NEW.tenant_id) EXECUTE FUNCTION keep_tenant();
SELECT audit_table('tenant_keys', 'tenant_key', 'tenant-keys', '{wrapped}');
SELECT audit_table('key_rotations', 'key_rotation', 'key-rotations');
