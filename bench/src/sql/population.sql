-- {tenants} tenants with one administrator, six services and fifty events of the trail each, and {fresh} without services.
-- Triggers are off: what they would do is neither what is measured nor done in minutes. Ids are made from numbers, so
-- that whoever asks can name them.
SET session_replication_role = replica;
SET synchronous_commit = off;
SET timezone = 'UTC';

INSERT INTO tenants (id, name, slug, plan, max_services, created_at, updated_at)
SELECT md5('tenant ' || number)::uuid, 'Tenant ' || number, 'tenant-' || number, 'enterprise', 50, at, at
FROM (SELECT number, LOCALTIMESTAMP - random() * INTERVAL '300 days' AS at
      FROM generate_series(1, {tenants} + {fresh}) AS number ORDER BY random()) AS numbered;

INSERT INTO users (id, email, username, password, first_name, last_name, role, tenant_id, created_at, updated_at)
SELECT md5('user ' || number)::uuid, 'user-' || number || '@example.com', 'user-' || number, '{password}',
    'User', number::text, 'tenant_admin', md5('tenant ' || number)::uuid, at, at
FROM (SELECT number, LOCALTIMESTAMP - random() * INTERVAL '300 days' AS at
      FROM generate_series(1, {tenants} + {fresh}) AS number ORDER BY random()) AS numbered;

INSERT INTO subscriptions (tenant_id, plan, max_services, current_period_start, current_period_end)
SELECT md5('tenant ' || number)::uuid, 'enterprise', 50, LOCALTIMESTAMP, LOCALTIMESTAMP + INTERVAL '10 years'
FROM generate_series(1, {tenants} + {fresh}) AS number;

-- In no order of tenants, as a year of creating leaves them.
INSERT INTO services (id, name, type, status, description, config, tenant_id, created_by, created_at, updated_at)
SELECT md5('service ' || number || ' ' || kind)::uuid, replace(type, '_', '-') || '-' || number, type,
    'stopped', 'What tenant ' || number || ' keeps as its ' || replace(type, '_', ' '),
    jsonb_build_object(
        'image', 'registry.example/' || replace(type, '_', '-') || ':2.' || number % 30,
        'ports', jsonb_build_array(8000 + kind),
        'environment', jsonb_build_object('APP_MODE', 'production', 'APP_USER', 'user_' || number, 'APP_REGION', 'eu'),
        'volumes', jsonb_build_array('/data/' || number || ':/var/lib/app/data'),
        'resources', jsonb_build_object('cpu', 250 * kind, 'memory', 256 * kind, 'disk', 2048),
        'health_check', jsonb_build_object('enabled', true, 'path', '/health', 'interval', '30s', 'timeout', '5s', 'retries', 3),
        'custom_variables', jsonb_build_object('DB_NAME', 'app_' || number, 'DB_USER', 'user_' || number)),
    md5('tenant ' || number)::uuid, md5('user ' || number)::uuid, at, at
FROM (SELECT number, kind, (ARRAY['database', 'web_server', 'message_queue', 'monitoring', 'devops', 'custom'])[kind] AS type,
          LOCALTIMESTAMP - random() * INTERVAL '300 days' AS at
      FROM generate_series(1, {tenants}) AS number, generate_series(1, 6) AS kind ORDER BY random()) AS numbered;

-- In the order of time.
INSERT INTO audit_logs (user_id, tenant_id, action, resource, details, ip_address, user_agent, created_at)
SELECT md5('user ' || number)::uuid, md5('tenant ' || number)::uuid, 'service.update', 'services/' || md5('service ' || number || ' 1')::uuid,
    '{{"changes": {{"description": {{"to": "revision ' || turn || '"}}}}, "request_id": "7c1e"}}', '192.0.2.17', 'curl/8.5.0',
    LOCALTIMESTAMP - (51 - turn) * INTERVAL '6 days' + number * INTERVAL '1 second'
FROM generate_series(1, 50) AS turn, generate_series(1, {tenants}) AS number ORDER BY turn, number;
