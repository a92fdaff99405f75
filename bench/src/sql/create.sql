\set number :first + (:turn * :clients + :client_id) % :count
\set kind 1 + (:turn * :clients + :client_id) / :count
BEGIN;
SELECT set_config('app.tenant_id', md5('tenant ' || :number::text)::uuid::text, true);
SELECT plan, max_services FROM tenants WHERE id = md5('tenant ' || :number::text)::uuid;
SELECT count(*) FROM services WHERE tenant_id = md5('tenant ' || :number::text)::uuid;
INSERT INTO services (name, type, description, config, tenant_id, created_by) VALUES ('bench-' || :kind::text, (ARRAY['database', 'web_server', 'message_queue', 'monitoring', 'devops', 'custom'])[:kind::int], 'made by the bench', '{"image": "registry.example/orders:1.4.2", "ports": [5432], "environment": {"APP_MODE": "production", "APP_USER": "orders", "APP_REGION": "eu"}, "volumes": ["data:/var/lib/orders/data"], "resources": {"cpu": 500, "memory": 512, "disk": 2048}, "health_check": {"enabled": true, "path": "/health", "interval": "30s", "timeout": "5s", "retries": 3}, "custom_variables": {"DB_NAME": "orders", "DB_USER": "orders"}}', md5('tenant ' || :number::text)::uuid, md5('user ' || :number::text)::uuid) RETURNING id;
INSERT INTO audit_logs (user_id, tenant_id, action, resource, details, ip_address, user_agent) VALUES (md5('user ' || :number::text)::uuid, md5('tenant ' || :number::text)::uuid, 'service.create', 'services/bench-' || :kind::text, 'made by the bench', '127.0.0.1', 'pgbench');
COMMIT;
\set turn :turn + 1
