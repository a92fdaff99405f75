-- The trail as one Merkle log for each tenant, and one for the platform's own rows. Whoever writes to the trail only
-- leaves a note of it here; the server's sealer takes what it finds there every few seconds and adds it to the log. So
-- writers wait neither for each other nor for the sealer, and a row that is committed late is found late, never missed.
--
-- A log's tenant_id is the nil UUID where its rows have none.

-- Rows of the trail that are in no log yet: finding them must not cost a search through the whole trail. No foreign key,
-- which would lock rows of the trail.
CREATE TABLE audit_pending (
    audit_log_id UUID PRIMARY KEY,
    tenant_id UUID NOT NULL,
    queued_at TIMESTAMP NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
);
CREATE INDEX audit_pending_tenant_id_queued_at_idx ON audit_pending (tenant_id, queued_at);

-- Which row stands where in its log. No foreign key: a row that is archived leaves its place behind.
CREATE TABLE audit_leaves (
    tenant_id UUID NOT NULL,
    leaf_index BIGINT NOT NULL,
    audit_log_id UUID NOT NULL,
    PRIMARY KEY (tenant_id, leaf_index)
);
CREATE UNIQUE INDEX audit_leaves_audit_log_id_unique ON audit_leaves (audit_log_id);

-- The hashes of the complete subtrees, leaves included, in the order in which they come to exist: growing and proving
-- take a logarithmic number of them, and none ever changes.
CREATE TABLE audit_hashes (
    tenant_id UUID NOT NULL,
    position BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, position),
    CONSTRAINT audit_hashes_hash_check CHECK (octet_length(hash) = 32)
);

-- Every head of a log, signed: what was handed out can be handed out again. A new key signs the last one anew.
CREATE TABLE audit_checkpoints (
    tenant_id UUID NOT NULL,
    tree_size BIGINT NOT NULL,
    note TEXT NOT NULL,
    key_id VARCHAR(8) NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (tenant_id, tree_size, key_id)
);

-- Up to where the rows of a log may be gone, because they were archived: what the guard below lets go.
CREATE TABLE audit_archives (
    tenant_id UUID NOT NULL,
    end_index BIGINT NOT NULL,
    archived_before TIMESTAMP NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (tenant_id, end_index)
);

-- Rows of the trail stay where this is taken back, and wait again.
ALTER TABLE audit_logs NO FORCE ROW LEVEL SECURITY;
INSERT INTO audit_pending (audit_log_id, tenant_id)
SELECT id, COALESCE(tenant_id, '00000000-0000-0000-0000-000000000000') FROM audit_logs;
ALTER TABLE audit_logs FORCE ROW LEVEL SECURITY;

-- A tenant reads its own log. The sealer adds to all of them; nobody changes what is there.
ALTER TABLE audit_pending ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_pending FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_pending_system ON audit_pending TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, DELETE ON audit_pending TO nomad_services_system;

ALTER TABLE audit_leaves ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_leaves FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_leaves_tenant ON audit_leaves TO nomad_services_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY audit_leaves_system ON audit_leaves TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT ON audit_leaves TO nomad_services_app;
GRANT SELECT, INSERT ON audit_leaves TO nomad_services_system;

ALTER TABLE audit_hashes ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_hashes FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_hashes_tenant ON audit_hashes TO nomad_services_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY audit_hashes_system ON audit_hashes TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT ON audit_hashes TO nomad_services_app;
GRANT SELECT, INSERT ON audit_hashes TO nomad_services_system;

ALTER TABLE audit_checkpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_checkpoints FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_checkpoints_tenant ON audit_checkpoints TO nomad_services_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY audit_checkpoints_system ON audit_checkpoints TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT ON audit_checkpoints TO nomad_services_app;
GRANT SELECT, INSERT ON audit_checkpoints TO nomad_services_system;

ALTER TABLE audit_archives ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_archives FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_archives_tenant ON audit_archives TO nomad_services_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY audit_archives_system ON audit_archives TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT ON audit_archives TO nomad_services_app, nomad_services_system;

-- What the functions below see and write as the owner, whom row-level security binds too: inside a trigger, and while
-- archive_audit_logs runs.
DO $$
DECLARE
    allowed RECORD;
BEGIN
    FOR allowed IN
        SELECT * FROM (VALUES
            ('audit_pending', 'queue', 'INSERT', 'WITH CHECK (true)'),
            ('audit_leaves', 'triggers', 'SELECT', 'USING (pg_trigger_depth() > 0)'),
            ('audit_archives', 'triggers', 'SELECT', 'USING (pg_trigger_depth() > 0)'),
            ('audit_logs', 'archiving', 'SELECT', 'USING (current_setting(''app.archiving'', true) = ''on'')'),
            ('audit_logs', 'archive', 'DELETE', 'USING (current_setting(''app.archiving'', true) = ''on'')'),
            ('audit_leaves', 'archiving', 'SELECT', 'USING (current_setting(''app.archiving'', true) = ''on'')'),
            ('audit_checkpoints', 'archiving', 'SELECT', 'USING (current_setting(''app.archiving'', true) = ''on'')'),
            ('audit_archives', 'archiving', 'SELECT', 'USING (current_setting(''app.archiving'', true) = ''on'')'),
            ('audit_archives', 'archive', 'INSERT', 'WITH CHECK (current_setting(''app.archiving'', true) = ''on'')')
        ) AS policies (owned, suffix, command, clause)
    LOOP
        EXECUTE format('CREATE POLICY %I ON %I FOR %s TO %I %s',
            allowed.owned || '_' || allowed.suffix, allowed.owned, allowed.command, current_user, allowed.clause);
    END LOOP;
END
$$;

-- The time is part of what is hashed.
CREATE OR REPLACE FUNCTION audit_queue() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.created_at IS NULL OR NEW.created_at NOT BETWEEN '0001-01-01' AND '9999-12-31' THEN
        RAISE EXCEPTION 'a row of the audit trail has a time' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO audit_pending (audit_log_id, tenant_id)
    VALUES (NEW.id, COALESCE(NEW.tenant_id, '00000000-0000-0000-0000-000000000000'));
    RETURN NULL;
END
$$;

-- Refuses whoever asks, the owner included.
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only ever added to: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege',
            HINT = 'Rows of the trail that are sealed and old are removed by archive_audit_logs alone.';
END
$$;

-- A row of the trail may go once it was archived, and a note that it is to be sealed once it is.
CREATE OR REPLACE FUNCTION audit_refuse_delete() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'audit_pending' THEN
        IF EXISTS (SELECT FROM audit_leaves WHERE audit_log_id = OLD.audit_log_id) THEN
            RETURN OLD;
        END IF;
    ELSIF EXISTS (
        SELECT FROM audit_leaves leaf JOIN audit_archives archive ON archive.tenant_id = leaf.tenant_id
        WHERE leaf.audit_log_id = OLD.id AND leaf.leaf_index < archive.end_index
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a row of % is removed before its time', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Removes the rows of each log that are older than a time, from its beginning up to the first that is not; only sealed
-- ones. Their places, hashes and heads stay, so every proof still holds, and an export that was made before still
-- verifies. It leaves a row in each log's trail. Make the export first: what this removes is gone.
CREATE OR REPLACE FUNCTION archive_audit_logs(archived_before TIMESTAMP) RETURNS TABLE (archived_log UUID, archived_rows BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    log RECORD;
    kept BIGINT;
BEGIN
    IF archived_before IS NULL THEN
        RAISE EXCEPTION 'archive_audit_logs needs the time before which rows are archived'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM set_config('app.archiving', 'on', true);
    FOR log IN
        SELECT tenant_id, MAX(tree_size) AS sealed, COALESCE((
            SELECT MAX(end_index) FROM audit_archives WHERE audit_archives.tenant_id = audit_checkpoints.tenant_id
        ), 0) AS begins
        FROM audit_checkpoints GROUP BY tenant_id ORDER BY tenant_id
    LOOP
        SELECT leaf_index INTO kept
        FROM audit_leaves JOIN audit_logs ON audit_logs.id = audit_leaves.audit_log_id
        WHERE audit_leaves.tenant_id = log.tenant_id AND leaf_index >= log.begins AND audit_logs.created_at >= archived_before
        ORDER BY leaf_index LIMIT 1;
        kept := LEAST(COALESCE(kept, log.sealed), log.sealed);
        CONTINUE WHEN kept <= log.begins;

        INSERT INTO audit_archives (tenant_id, end_index, archived_before)
        VALUES (log.tenant_id, kept, archive_audit_logs.archived_before);
        DELETE FROM audit_logs USING audit_leaves
        WHERE audit_logs.id = audit_leaves.audit_log_id
            AND audit_leaves.tenant_id = log.tenant_id AND leaf_index >= log.begins AND leaf_index < kept;
        GET DIAGNOSTICS archived_rows = ROW_COUNT;
        archived_log := log.tenant_id;
        PERFORM audit_append(
            NULLIF(log.tenant_id, '00000000-0000-0000-0000-000000000000'), NULL, 'audit_log.archive', 'audit-logs',
            jsonb_build_object('archived_before', archived_before, 'first_index', log.begins, 'end_index', kept));
        RETURN NEXT;
    END LOOP;
    PERFORM set_config('app.archiving', '', true);
END
$$;

-- For the rest of a transaction that looks rows of these tables up by their index, many at a time. The plans of such
-- statements are kept, and a plan that was made while the tables were small reads the whole of them each time.
CREATE OR REPLACE FUNCTION audit_read_by_index() RETURNS VOID
LANGUAGE sql AS $$
    SELECT set_config('enable_seqscan', 'off', true)
$$;

REVOKE ALL ON FUNCTION audit_read_by_index() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_read_by_index() TO nomad_services_system;
REVOKE ALL ON FUNCTION audit_queue() FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_refuse_change() FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_refuse_delete() FROM PUBLIC;
REVOKE ALL ON FUNCTION archive_audit_logs(TIMESTAMP) FROM PUBLIC;

CREATE TRIGGER audit_queue AFTER INSERT ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_queue();
CREATE TRIGGER audit_refuse_change BEFORE UPDATE OR TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
-- By whoever is none of the functions above; a row at a time, those are held to what was archived.
CREATE TRIGGER audit_refuse_foreign_delete BEFORE DELETE ON audit_logs FOR EACH STATEMENT
    WHEN (current_setting('app.archiving', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_refuse_delete BEFORE DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION audit_refuse_delete();

CREATE TRIGGER audit_refuse_change BEFORE UPDATE OR TRUNCATE ON audit_pending
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_refuse_delete BEFORE DELETE ON audit_pending FOR EACH ROW EXECUTE FUNCTION audit_refuse_delete();

CREATE TRIGGER audit_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_leaves
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_hashes
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_archives
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
