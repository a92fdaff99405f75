-- A configuration with a marker wherever its own "sensitive" points. What it lists may be nonsense, and must not refuse a
-- change of the row.
CREATE OR REPLACE FUNCTION audit_marked(config JSONB) RETURNS JSONB
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
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

CREATE OR REPLACE FUNCTION audit_redacted(value JSONB) RETURNS JSONB
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE
        WHEN jsonb_typeof(value) = 'object' AND value ? '$enc' THEN '"**********"'::jsonb
        WHEN jsonb_typeof(value) = 'object' THEN COALESCE((
            SELECT jsonb_object_agg(field.key, CASE
                WHEN field.key = 'environment' AND jsonb_typeof(field.value) = 'object' THEN COALESCE((
                    SELECT jsonb_object_agg(name, '**********') FROM jsonb_object_keys(field.value) AS name
                ), '{}')
                ELSE audit_redacted(field.value)
            END)
            FROM jsonb_each(CASE
                WHEN jsonb_typeof(value -> 'sensitive') = 'array' THEN audit_marked(value) ELSE value
            END) AS field
        ), '{}')
        WHEN jsonb_typeof(value) = 'array' THEN COALESCE((
            SELECT jsonb_agg(audit_redacted(item.value) ORDER BY item.ordinality)
            FROM jsonb_array_elements(value) WITH ORDINALITY AS item
        ), '[]')
        ELSE value
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
