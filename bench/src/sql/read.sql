\set number random(1, :readers)
\set kind random(1, 6)
BEGIN;
SELECT set_config('app.tenant_id', md5('tenant ' || :number::text)::uuid::text, true);
SELECT id, name, type, status, description, config, created_by, created_at, updated_at FROM services WHERE id = md5('service ' || :number::text || ' ' || :kind::text)::uuid AND tenant_id = md5('tenant ' || :number::text)::uuid;
COMMIT;
