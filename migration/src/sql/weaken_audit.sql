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
            FROM jsonb_each(value) AS field
        ), '{}')
        WHEN jsonb_typeof(value) = 'array' THEN COALESCE((
            SELECT jsonb_agg(audit_redacted(item.value) ORDER BY item.ordinality)
            FROM jsonb_array_elements(value) WITH ORDINALITY AS item
        ), '[]')
        ELSE value
    END
$$;

DROP FUNCTION audit_marked(JSONB);

CREATE OR REPLACE FUNCTION audit_append(tenant UUID, fallback_user UUID, action TEXT, resource TEXT, details JSONB) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    acting UUID := NULLIF(current_setting('app.user_id', true), '')::uuid;
BEGIN
    INSERT INTO audit_logs (user_id, tenant_id, action, resource, details, ip_address, user_agent)
    VALUES (
        COALESCE(acting, fallback_user, '00000000-0000-0000-0000-000000000001'),
        tenant, action, resource,
        jsonb_strip_nulls(jsonb_build_object(
            'request_id', NULLIF(current_setting('app.request_id', true), ''),
            'reason', NULLIF(current_setting('app.reason', true), ''),
            'api_key_id', NULLIF(current_setting('app.api_key_id', true), ''),
            'database_login', CASE WHEN acting IS NULL THEN session_user::text END
        ) || details)::text,
        NULLIF(current_setting('app.ip_address', true), ''),
        NULLIF(current_setting('app.user_agent', true), '')
    );
END
$$;

CREATE OR REPLACE FUNCTION audit_event(action TEXT, resource TEXT, details JSONB) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM audit_append(NULLIF(current_setting('app.tenant_id', true), '')::uuid, NULL, action, resource, details);
END
$$;
