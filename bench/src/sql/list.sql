\set number random(1, :readers)
BEGIN;
SELECT set_config('app.tenant_id', md5('tenant ' || :number::text)::uuid::text, true);
SELECT id, name, type, status, description, config, created_by, created_at, updated_at FROM services WHERE tenant_id = md5('tenant ' || :number::text)::uuid ORDER BY created_at DESC LIMIT 50;
COMMIT;
