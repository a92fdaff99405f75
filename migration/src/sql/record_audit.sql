-- Every change of a row leaves a row in audit_logs, written by a trigger in the same transaction: it catches what the
-- product does, what raw SQL does and what a person does in psql alike, and a rollback takes it back.
--
-- The functions below belong to the tables' owner and run as such (SECURITY DEFINER), so that the runtime roles need no
-- right to write to the trail.

-- Whoever the audit names stays, so what nobody signed in for needs a user, too.
ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
INSERT INTO users (id, email, username, password, role, is_active)
VALUES ('00000000-0000-0000-0000-000000000001', 'system@nomad-services.invalid', 'nomad-services-system', '!', 'admin', false)
ON CONFLICT DO NOTHING;
ALTER TABLE users FORCE ROW LEVEL SECURITY;

DO $$
BEGIN
    EXECUTE format(
        'CREATE POLICY audit_logs_triggers ON audit_logs FOR SELECT TO %I USING (pg_trigger_depth() > 0)', current_user);
    EXECUTE format(
        'CREATE POLICY audit_logs_record ON audit_logs FOR INSERT TO %I WITH CHECK (true)', current_user);
END
$$;

-- A configuration with a marker wherever its own "sensitive" points. What it lists may be nonsense, and must not refuse a
-- change of the row.
CREATE OR REPLACE FUNCTION audit_marked(config JSONB) RETURNS JSONB
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    marked JSONB := config;
    place TEXT[];
BEGIN
    FOR place IN
        SELECT string_to_array(regexp_replace(pointer #>> '{}', '^/config/', '/'), '/')
        FROM jsonb_array_elements(config -> 'sensitive') AS pointer
        WHERE pointer #>> '{}' LIKE '/%'
    LOOP
        place := ARRAY(
            SELECT replace(replace(part, '~1', '/'), '~0', '~')
            FROM unnest(place[2:]) WITH ORDINALITY AS parts (part, position) ORDER BY position);
        IF marked #> place IS NOT NULL THEN
            marked := jsonb_set(marked, place, '"**********"');
        END IF;
    END LOOP;
    RETURN marked || jsonb_build_object('sensitive', config -> 'sensitive');
END
$$;

-- A value as the audit shows it: what is encrypted, and every environment value however it is stored, is a marker. Most
-- values hide nothing: one look from within says so, where taking them apart would cost a hundred times as much.
CREATE OR REPLACE FUNCTION audit_redacted(value JSONB) RETURNS JSONB
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF value IS NULL OR NOT value @? '$.** ? (exists (@."$enc") || exists (@.environment) || exists (@.sensitive))' THEN
        RETURN value;
    END IF;
    IF jsonb_typeof(value) = 'array' THEN
        RETURN (
            SELECT jsonb_agg(audit_redacted(item.value) ORDER BY item.ordinality)
            FROM jsonb_array_elements(value) WITH ORDINALITY AS item);
    END IF;
    IF value ? '$enc' THEN
        RETURN '"**********"';
    END IF;
    IF jsonb_typeof(value -> 'sensitive') = 'array' THEN
        value := audit_marked(value);
    END IF;
    RETURN (
        SELECT jsonb_object_agg(field.key, CASE
            WHEN field.key = 'environment' AND jsonb_typeof(field.value) = 'object' THEN COALESCE((
                SELECT jsonb_object_agg(name, '**********') FROM jsonb_object_keys(field.value) AS name
            ), '{}')
            WHEN jsonb_typeof(field.value) IN ('object', 'array') THEN audit_redacted(field.value)
            ELSE field.value
        END)
        FROM jsonb_each(value) AS field);
END
$$;

-- What differs between two forms of a row, column by column, each with what it was (from) and what it is (to); of a
-- JSON object only the fields that differ. Redacted columns show that they changed, and nothing else.
CREATE OR REPLACE FUNCTION audit_changes(old_row JSONB, new_row JSONB, redacted TEXT[], ignored TEXT[]) RETURNS JSONB
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (
        WITH columns AS (
            SELECT name, name = ANY (redacted) AS hidden, old_row -> name AS was, new_row -> name AS becomes,
                COALESCE(jsonb_typeof(old_row -> name) = 'object' AND jsonb_typeof(new_row -> name) = 'object', false)
                    AND NOT name = ANY (redacted) AS by_field
            FROM jsonb_object_keys(COALESCE(old_row, '{}') || COALESCE(new_row, '{}')) AS name
            WHERE NOT name = ANY (ignored)
        ), difference AS (
            SELECT name AS path, hidden, was, becomes FROM columns
            WHERE NOT by_field AND COALESCE(was, 'null') <> COALESCE(becomes, 'null')
            UNION ALL
            SELECT columns.name || '.' || field, false, shown.was -> field, shown.becomes -> field
            FROM columns
                CROSS JOIN LATERAL (SELECT audit_redacted(columns.was), audit_redacted(columns.becomes)) AS shown (was, becomes)
                CROSS JOIN LATERAL jsonb_object_keys(columns.was || columns.becomes) AS field
            WHERE by_field AND columns.was <> columns.becomes
                AND (columns.was -> field) IS DISTINCT FROM (columns.becomes -> field)
        )
        SELECT COALESCE(jsonb_object_agg(path, jsonb_strip_nulls(jsonb_build_object(
            'from', CASE
                WHEN hidden AND was <> 'null' THEN '"**********"'
                WHEN jsonb_typeof(was) IN ('object', 'array') THEN audit_redacted(was)
                ELSE was
            END,
            'to', CASE
                WHEN hidden AND becomes <> 'null' THEN '"**********"'
                WHEN jsonb_typeof(becomes) IN ('object', 'array') THEN audit_redacted(becomes)
                ELSE becomes
            END
        ))), '{}')
        FROM difference);
END
$$;

-- Adds a row to the trail in the context of the transaction, which no detail of an event takes the place of. Without a
-- context it is the system user's, and the database login is named.
CREATE OR REPLACE FUNCTION audit_append(tenant UUID, fallback_user UUID, action TEXT, resource TEXT, details JSONB) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    acting UUID := NULLIF(current_setting('app.user_id', true), '')::uuid;
BEGIN
    INSERT INTO audit_logs (user_id, tenant_id, action, resource, details, ip_address, user_agent)
    VALUES (
        COALESCE(acting, fallback_user, '00000000-0000-0000-0000-000000000001'),
        tenant, action, resource,
        jsonb_strip_nulls(
            COALESCE(details, '{}') - ARRAY['request_id', 'reason', 'api_key_id', 'database_login']
            || jsonb_build_object(
                'request_id', NULLIF(current_setting('app.request_id', true), ''),
                'reason', NULLIF(current_setting('app.reason', true), ''),
                'api_key_id', NULLIF(current_setting('app.api_key_id', true), ''),
                'database_login', CASE WHEN acting IS NULL THEN session_user::text END
            ))::text,
        NULLIF(current_setting('app.ip_address', true), ''),
        NULLIF(current_setting('app.user_agent', true), '')
    );
END
$$;

-- Arguments of the trigger: the singular and the path of the resource, the columns whose values are secret, the columns
-- whose change alone is none, and, where the table has no tenant_id, the table that has it with the column that leads there.
CREATE OR REPLACE FUNCTION audit_row() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    old_row JSONB := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    new_row JSONB := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    changed JSONB := COALESCE(new_row, old_row);
    named TEXT := TG_ARGV[1] || '/' || (changed ->> TG_ARGV[6]);
    difference JSONB := audit_changes(old_row, new_row, TG_ARGV[2]::text[], TG_ARGV[3]::text[]);
    tenant UUID;
BEGIN
    IF TG_OP = 'UPDATE' AND difference = '{}' THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'tenants' THEN
        tenant := NULLIF(changed ->> 'id', CASE WHEN TG_OP = 'DELETE' THEN changed ->> 'id' END)::uuid;
    ELSIF TG_ARGV[4] <> '' THEN
        EXECUTE format('SELECT tenant_id FROM %I WHERE id = $1', TG_ARGV[4])
            INTO tenant USING (changed ->> TG_ARGV[5])::uuid;
        -- What it belonged to may have gone first.
        tenant := COALESCE(tenant, (
            SELECT audit_logs.tenant_id FROM audit_logs
            WHERE audit_logs.resource = named AND audit_logs.tenant_id IS NOT NULL LIMIT 1));
    ELSE
        tenant := COALESCE(changed ->> 'tenant_id', old_row ->> 'tenant_id')::uuid;
    END IF;
    PERFORM audit_append(tenant, CASE WHEN TG_TABLE_NAME = 'refresh_tokens' THEN (changed ->> 'user_id')::uuid END,
        TG_ARGV[0] || CASE TG_OP WHEN 'INSERT' THEN '.create' WHEN 'UPDATE' THEN '.update' ELSE '.delete' END,
        named, jsonb_build_object('changes', difference));
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION audit_truncate() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM audit_append(NULL, NULL, TG_ARGV[0] || '.truncate', TG_ARGV[1], '{}');
    RETURN NULL;
END
$$;

-- What happened without changing a row, or means more than the rows it changed: a sign-in, a refusal, a start. The role of
-- tenants' members says nothing without a context.
CREATE OR REPLACE FUNCTION audit_event(action TEXT, resource TEXT, details JSONB) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF current_setting('role') = 'nomad_services_app'
        AND (NULLIF(current_setting('app.tenant_id', true), '') IS NULL OR NULLIF(current_setting('app.user_id', true), '') IS NULL)
    THEN
        RAISE EXCEPTION 'an event of a tenant needs its context' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM audit_append(NULLIF(current_setting('app.tenant_id', true), '')::uuid, NULL, action, resource, details);
END
$$;

-- Has every change of a table audited; the last line of the migration that makes the table.
CREATE OR REPLACE FUNCTION audit_table(
    audited REGCLASS, singular TEXT, path TEXT, redacted TEXT[] DEFAULT '{}', ignored TEXT[] DEFAULT '{}',
    tenant_table TEXT DEFAULT '', tenant_column TEXT DEFAULT '', id_column TEXT DEFAULT 'id'
) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION audit_row(%L, %L, %L, %L, %L, %L, %L)',
        audited, singular, path, redacted, ignored || ARRAY['created_at', 'updated_at'], tenant_table, tenant_column, id_column);
    EXECUTE format(
        'CREATE TRIGGER audit_truncate AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION audit_truncate(%L, %L)',
        audited, singular, path);
END
$$;

REVOKE ALL ON FUNCTION audit_append(UUID, UUID, TEXT, TEXT, JSONB) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_row() FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_truncate() FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_table(REGCLASS, TEXT, TEXT, TEXT[], TEXT[], TEXT, TEXT, TEXT) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_event(TEXT, TEXT, JSONB) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_event(TEXT, TEXT, JSONB) TO nomad_services_app, nomad_services_system;

SELECT audit_table('tenants', 'tenant', 'tenants');
SELECT audit_table('users', 'user', 'users', '{password}');
SELECT audit_table('services', 'service', 'services');
SELECT audit_table('service_deployments', 'deployment', 'deployments', tenant_table => 'services', tenant_column => 'service_id');
SELECT audit_table('service_templates', 'template', 'templates', tenant_table => 'users', tenant_column => 'created_by');
SELECT audit_table('api_keys', 'api_key', 'api-keys', '{key}', '{last_used}');
SELECT audit_table('subscriptions', 'subscription', 'subscriptions');
-- A worker's lease and its place in the work are renewed every few seconds and say nothing about the service.
SELECT audit_table('deployment_tasks', 'deployment_task', 'deployment-tasks', '{request,job}',
    '{phase,lease_owner,lease_until,fence,attempts,run_at}');
SELECT audit_table('refresh_tokens', 'session', 'sessions', '{token_hash}',
    tenant_table => 'users', tenant_column => 'user_id', id_column => 'family_id');
