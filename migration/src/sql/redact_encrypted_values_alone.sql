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
