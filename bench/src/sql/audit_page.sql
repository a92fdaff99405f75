\set number random(1, :readers)
BEGIN;
SELECT set_config('app.tenant_id', md5('tenant ' || :number::text)::uuid::text, true);
SELECT id, user_id, action, resource, details, ip_address, user_agent, created_at FROM audit_logs WHERE tenant_id = md5('tenant ' || :number::text)::uuid ORDER BY created_at DESC LIMIT 20;
SELECT count(*) FROM audit_logs WHERE tenant_id = md5('tenant ' || :number::text)::uuid;
COMMIT;
