WITH
-- What every table, policy, view, function and grant has to be like, so that row-level security holds. One row for each
-- that is not: the object, what is wrong, what to do. The migrations' tests run this on a new schema, a server on its own.
-- Objects of extensions are left out: they hold no rows of a tenant.
reviewed_functions (name) AS (
    -- SECURITY DEFINER functions: a line for each, once its body was reviewed.
    VALUES ('audit_row'), ('audit_truncate'), ('audit_event'), ('refuse_foreign_user'), ('refuse_foreign_service'),
    -- Ends the sessions and keys of the user that was deactivated, and reads nothing else.
        ('end_access'),
    -- Note what is to be sealed, and refuse to remove what is not; they read the trail's places alone.
        ('audit_queue'), ('audit_refuse_delete')
),
reviewed_policies (table_name, name, expression) AS (VALUES
    -- Everybody reads the public templates.
    ('service_templates', 'service_templates_public', 'is_public')
),
-- What the migrations let the runtime roles do with each table: nothing else is needed, so nothing else may be.
expected_grants (table_name, app, system) AS (VALUES
    ('tenants', 'SELECT', 'SELECT INSERT UPDATE'),
    ('users', 'SELECT INSERT UPDATE', 'SELECT INSERT UPDATE'),
    ('services', 'SELECT INSERT UPDATE DELETE', 'SELECT UPDATE DELETE'),
    ('service_deployments', 'SELECT INSERT UPDATE', 'SELECT INSERT UPDATE'),
    ('service_templates', 'SELECT INSERT UPDATE DELETE', 'SELECT INSERT UPDATE DELETE'),
    ('audit_logs', 'SELECT', 'SELECT'),
    ('api_keys', 'SELECT INSERT UPDATE', 'SELECT UPDATE'),
    ('subscriptions', 'SELECT', 'SELECT INSERT UPDATE'),
    ('deployment_tasks', 'SELECT INSERT UPDATE', 'SELECT INSERT UPDATE DELETE'),
    ('refresh_tokens', 'SELECT', 'SELECT INSERT UPDATE DELETE'),
    ('idempotency_keys', 'SELECT INSERT UPDATE DELETE', 'SELECT INSERT UPDATE DELETE'),
    ('audit_pending', '', 'SELECT DELETE'),
    ('audit_leaves', 'SELECT', 'SELECT INSERT'),
    ('audit_hashes', 'SELECT', 'SELECT INSERT'),
    ('audit_checkpoints', 'SELECT', 'SELECT INSERT'),
    ('audit_archives', 'SELECT', 'SELECT'),
    ('tenant_keys', 'SELECT INSERT', 'SELECT INSERT UPDATE'),
    ('key_rotations', '', 'SELECT INSERT UPDATE'),
    ('api_key_grants', 'SELECT INSERT UPDATE', 'SELECT'),
    ('invitations', 'SELECT INSERT DELETE', 'SELECT UPDATE'),
    ('sign_in_throttles', '', 'SELECT INSERT UPDATE DELETE'),
    ('seaql_migrations', '', '')
),
-- The same for single columns, of the app role alone.
expected_column_grants (table_name, privilege_type, columns) AS (VALUES
    ('tenants', 'UPDATE', ARRAY['name', 'description', 'domain', 'updated_at'])
),
-- What takes away from what other policies allow.
restrictive_policies (table_name, name, expression) AS (VALUES
    ('users', 'users_role', '((role)::text = ANY ((ARRAY[''user''::character varying, ''tenant_admin''::character varying])::text[]))')
),
runtime (role) AS (VALUES ('nomad_services_app'::regrole), ('nomad_services_system'::regrole)),
schemas AS (
    SELECT oid, nspname, nspowner FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'
),
relations AS (
    SELECT pg_class.oid, relkind, relacl, relowner, relrowsecurity, relforcerowsecurity, relname,
        pg_class.oid::regclass::text AS name
    FROM pg_class JOIN schemas ON schemas.oid = relnamespace
    WHERE NOT EXISTS (
        SELECT FROM pg_depend
        WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
    )
),
-- Which runtime role can do anything at all with a relation, through a grant of its own or one to everybody.
reached AS (
    SELECT relations.oid, role,
        has_table_privilege(role, relations.oid, 'SELECT')
            OR has_any_column_privilege(role, relations.oid, 'SELECT') AS readable
    FROM relations, runtime
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
      AND (has_table_privilege(role, relations.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        OR has_any_column_privilege(role, relations.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))
),
granted AS (
    SELECT name, grantee, privilege_type, NULL::text AS column_name
    FROM relations, aclexplode(relacl) WHERE relkind <> 'S' AND grantee <> relowner
    UNION
    SELECT name, grantee, privilege_type, attname::text
    FROM relations JOIN pg_attribute ON attrelid = relations.oid, aclexplode(attacl) WHERE grantee <> relowner
),
unexpected AS (
    SELECT granted.*, expected_column_grants.columns
    FROM granted
    LEFT JOIN expected_grants ON expected_grants.table_name = name
    LEFT JOIN expected_column_grants ON expected_column_grants.table_name = name
        AND expected_column_grants.privilege_type = granted.privilege_type AND grantee = 'nomad_services_app'::regrole
    WHERE grantee IN (SELECT role FROM runtime)
      AND CASE
          -- Whoever makes a table besides decides who reads and writes it, as long as its policies hold.
          WHEN expected_grants.table_name IS NULL THEN granted.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
          ELSE NOT granted.privilege_type = ANY (string_to_array(
              CASE grantee WHEN 'nomad_services_app'::regrole THEN app ELSE system END, ' '))
      END
      AND column_name = ANY (columns) IS NOT TRUE
),
-- The policies that show or allow the app role something; a restrictive one can only take away.
app_policies AS (
    SELECT relations.name AS table_name, relations.oid AS table_oid, polname, polcmd, polroles,
        replace(replace(regexp_replace(pg_get_expr(expression, polrelid), '\s+', ' ', 'g'),
            '( SELECT (NULLIF(current_setting(''app.tenant_id''::text, true), ''''::text))::uuid AS "nullif")', '$tenant'),
            '( SELECT (NULLIF(current_setting(''app.user_id''::text, true), ''''::text))::uuid AS "nullif")', '$user')
            AS expression,
        clause
    FROM relations JOIN pg_policy ON polrelid = relations.oid
    CROSS JOIN LATERAL (VALUES ('USING', polqual), ('WITH CHECK', polwithcheck)) AS clauses (clause, expression)
    WHERE polpermissive AND ('nomad_services_app'::regrole = ANY (polroles) OR 0 = ANY (polroles))
      -- What a command has no use for can't be given either.
      AND NOT (clause = 'USING' AND polcmd = 'a') AND NOT (clause = 'WITH CHECK' AND polcmd IN ('r', 'd'))
),
bound_policies AS (
    SELECT *, expression ~ '^\((tenant_id = \$tenant|user_id = \$user)\)$'
        OR table_name = 'tenants' AND expression = '(id = $tenant)'
        -- Through the row it belongs to.
        OR expression ~ ('^\(EXISTS \( SELECT FROM (\w+) WHERE \(\(\1\.id = ' || table_name
            || '\.\w+\) AND \(\1\.(tenant_id = \$tenant|user_id = \$user)\)\)\)\)$') AS bound
    FROM app_policies
),
functions AS (
    SELECT pg_proc.oid, proowner, proname, proconfig, prosecdef,
        format('%s(%s)', pg_proc.oid::regproc, pg_get_function_identity_arguments(pg_proc.oid)) AS name,
        EXISTS (SELECT FROM pg_trigger WHERE tgfoid = pg_proc.oid)
            OR EXISTS (SELECT FROM runtime WHERE has_function_privilege(role, pg_proc.oid, 'EXECUTE')) AS runs
    FROM pg_proc JOIN schemas ON schemas.oid = pronamespace
    WHERE NOT EXISTS (
        SELECT FROM pg_depend
        WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e'
    )
)

SELECT format('table %s', name) AS object,
    format('row-level security is not %s', CASE WHEN relrowsecurity THEN 'forced' ELSE 'enabled' END) AS problem,
    format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY; ALTER TABLE %s FORCE ROW LEVEL SECURITY', name, name) AS remedy
FROM relations
WHERE relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity)
  AND (EXISTS (SELECT FROM reached WHERE reached.oid = relations.oid)
    OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = relations.oid AND attname = 'tenant_id'))

UNION ALL
SELECT format('table %s', name), 'no policy for nomad_services_app',
    'make the policy again as its migration made it'
FROM relations JOIN reached USING (oid)
WHERE relkind IN ('r', 'p') AND role = 'nomad_services_app'::regrole
  AND NOT EXISTS (SELECT FROM app_policies WHERE table_oid = relations.oid)

UNION ALL
SELECT format('policy %s on %s', polname, table_name), format('no %s', clause),
    'make the policy again as its migration made it'
FROM bound_policies WHERE expression IS NULL

UNION ALL
SELECT format('policy %s on %s', polname, table_name), format('%s %s does not keep to one tenant', clause, expression),
    format('DROP POLICY %I ON %s', polname, table_name)
FROM bound_policies
WHERE NOT bound AND NOT EXISTS (
    SELECT FROM reviewed_policies reviewed
    WHERE (reviewed.table_name, reviewed.name, reviewed.expression) = (bound_policies.table_name, polname, bound_policies.expression)
)

UNION ALL
SELECT DISTINCT format('policy %s on %s', polname, table_name), 'it is for everybody, not for one role',
    format('DROP POLICY %I ON %s', polname, table_name)
FROM app_policies WHERE 0 = ANY (polroles)

UNION ALL
SELECT format('%s %s', CASE relkind WHEN 'f' THEN 'foreign table' WHEN 'm' THEN 'materialized view' ELSE 'view' END, name),
    format('%s can read it, past row-level security', role),
    format('REVOKE ALL ON %s FROM PUBLIC, %s', name, role)
FROM relations JOIN reached USING (oid)
WHERE relkind IN ('v', 'm', 'f')

UNION ALL
SELECT format('function %s', name), 'it is SECURITY DEFINER and not reviewed',
    format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', name)
FROM functions WHERE prosecdef AND runs AND NOT EXISTS (SELECT FROM reviewed_functions reviewed WHERE reviewed.name = functions.proname)

UNION ALL
SELECT format('function %s', name), 'it is SECURITY DEFINER and has no search_path that ends with pg_temp',
    format('ALTER FUNCTION %s SET search_path = pg_catalog, public, pg_temp', name)
FROM functions
WHERE prosecdef AND runs AND NOT EXISTS (
    SELECT FROM unnest(proconfig) AS setting WHERE setting ~ '^search_path=[^$]*pg_temp"?$'
)

UNION ALL
SELECT format('table %s', name),
    format('%s is granted to %s%s', privilege_type, grantee::regrole, ' on the column ' || quote_ident(column_name)),
    format('REVOKE %s%s ON %s FROM %s', privilege_type, ' (' || quote_ident(column_name) || ')', name, grantee::regrole)
        -- That takes the rights on columns as well.
        || CASE WHEN column_name IS NULL AND columns IS NOT NULL
            THEN format('; GRANT %s (%s) ON %s TO %s', privilege_type, array_to_string(columns, ', '), name, grantee::regrole)
            ELSE '' END
FROM unexpected

UNION ALL
SELECT format('policy %s on %s', restrictive.name, restrictive.table_name), 'it is missing or not as it was made',
    'make the policy again as its migration made it'
FROM restrictive_policies restrictive JOIN relations ON relations.name = restrictive.table_name
WHERE NOT EXISTS (
    SELECT FROM pg_policy
    WHERE polrelid = relations.oid AND polname = restrictive.name AND NOT polpermissive AND polcmd = '*'
      AND 'nomad_services_app'::regrole = ANY (polroles) AND pg_get_expr(polwithcheck, polrelid) = restrictive.expression
)

UNION ALL
SELECT format('table %s', name), format('%s is granted to everybody', privilege_type),
    format('REVOKE %s ON %s FROM PUBLIC', privilege_type, name)
FROM granted WHERE grantee = 0

UNION ALL
SELECT format('schema %s', nspname), format('%s can create in it', role),
    format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %s', nspname, role)
FROM schemas, runtime
-- Before PostgreSQL 15 everybody can create in public, and only a superuser changes that: `verify-isolation` tells.
WHERE has_schema_privilege(role, schemas.oid, 'CREATE')
  AND NOT (nspname = 'public' AND current_setting('server_version_num')::integer < 150000)

UNION ALL
SELECT format('database %s', current_database()), format('%s can create schemas in it', role),
    format('REVOKE CREATE ON DATABASE %I FROM PUBLIC, %s', current_database(), role)
FROM runtime WHERE has_database_privilege(role, current_database(), 'CREATE')

UNION ALL
SELECT format('%s %s', kind, name), format('it belongs to %s', owner), format('ALTER %s %s OWNER TO the login that migrates', upper(kind), name)
FROM (
    SELECT 'table', name, relowner::regrole FROM relations WHERE relkind <> 'i' AND relkind <> 'I'
    UNION ALL SELECT 'function', name, proowner::regrole FROM functions
    UNION ALL SELECT 'schema', nspname, nspowner::regrole FROM schemas
) AS owned (kind, name, owner)
WHERE owner IN (SELECT role FROM runtime)
ORDER BY 1, 2
