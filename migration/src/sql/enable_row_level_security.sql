-- Three rules hold for every table below. Row-level security is forced, so it binds the owner as well.
-- Without a context there are no rows: the setting is NULL on a fresh connection and '' on a used one,
-- NULLIF makes both NULL. The context stands in a sub-select, which is evaluated once, not for each row.
-- The system role works across tenants (sign-in, registration, the worker, retention).
-- Neither role may TRUNCATE, which row-level security would not stop.

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_tenant ON tenants TO nomad_services_app
    USING (id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY tenants_system ON tenants TO nomad_services_system USING (true) WITH CHECK (true);
-- What a tenant pays for, its limits and whether it is let in, the platform decides.
GRANT SELECT, UPDATE (name, description, domain, updated_at) ON tenants TO nomad_services_app;
GRANT SELECT, INSERT, UPDATE ON tenants TO nomad_services_system;

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY users_tenant ON users TO nomad_services_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
-- A platform administrator is nobody's member, and no member makes one.
CREATE POLICY users_role ON users AS RESTRICTIVE TO nomad_services_app
    USING (true) WITH CHECK (role IN ('user', 'tenant_admin'));
CREATE POLICY users_system ON users TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON users TO nomad_services_app;
GRANT SELECT, INSERT, UPDATE ON users TO nomad_services_system;

ALTER TABLE services ENABLE ROW LEVEL SECURITY;
ALTER TABLE services FORCE ROW LEVEL SECURITY;
CREATE POLICY services_tenant ON services TO nomad_services_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY services_system ON services TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON services TO nomad_services_app;
GRANT SELECT, UPDATE, DELETE ON services TO nomad_services_system;

ALTER TABLE service_deployments ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_deployments FORCE ROW LEVEL SECURITY;
CREATE POLICY service_deployments_tenant ON service_deployments TO nomad_services_app
    USING (EXISTS (
        SELECT FROM services
        WHERE services.id = service_deployments.service_id
          AND services.tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid)
    ))
    WITH CHECK (EXISTS (
        SELECT FROM services
        WHERE services.id = service_deployments.service_id
          AND services.tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid)
    ));
CREATE POLICY service_deployments_system ON service_deployments TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON service_deployments TO nomad_services_app;
GRANT SELECT, INSERT, UPDATE ON service_deployments TO nomad_services_system;

-- A tenant changes the templates of its own users; everybody reads the public ones.
ALTER TABLE service_templates ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_templates FORCE ROW LEVEL SECURITY;
CREATE POLICY service_templates_tenant ON service_templates TO nomad_services_app
    USING (EXISTS (
        SELECT FROM users
        WHERE users.id = service_templates.created_by
          AND users.tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid)
    ))
    WITH CHECK (EXISTS (
        SELECT FROM users
        WHERE users.id = service_templates.created_by
          AND users.tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid)
    ));
CREATE POLICY service_templates_public ON service_templates FOR SELECT TO nomad_services_app USING (is_public);
CREATE POLICY service_templates_system ON service_templates TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON service_templates TO nomad_services_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON service_templates TO nomad_services_system;

-- Triggers alone write to the audit trail.
ALTER TABLE audit_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_logs FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_logs_tenant ON audit_logs TO nomad_services_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY audit_logs_system ON audit_logs TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT ON audit_logs TO nomad_services_app, nomad_services_system;

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY api_keys_tenant ON api_keys TO nomad_services_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY api_keys_system ON api_keys TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON api_keys TO nomad_services_app;
GRANT SELECT, UPDATE ON api_keys TO nomad_services_system;

ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY subscriptions_tenant ON subscriptions TO nomad_services_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY subscriptions_system ON subscriptions TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT ON subscriptions TO nomad_services_app;
GRANT SELECT, INSERT, UPDATE ON subscriptions TO nomad_services_system;

ALTER TABLE deployment_tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE deployment_tasks FORCE ROW LEVEL SECURITY;
CREATE POLICY deployment_tasks_tenant ON deployment_tasks TO nomad_services_app
    USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid))
    WITH CHECK (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY deployment_tasks_system ON deployment_tasks TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON deployment_tasks TO nomad_services_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON deployment_tasks TO nomad_services_system;

-- Sessions and replayed answers belong to a user, and a platform administrator has no tenant. Whoever could write a session
-- could sign in as its user, so a tenant's member only sees whether theirs is alive.
ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE refresh_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY refresh_tokens_user ON refresh_tokens TO nomad_services_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid))
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY refresh_tokens_system ON refresh_tokens TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT ON refresh_tokens TO nomad_services_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON refresh_tokens TO nomad_services_system;

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY idempotency_keys_user ON idempotency_keys TO nomad_services_app
    USING (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid))
    WITH CHECK (user_id = (SELECT NULLIF(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY idempotency_keys_system ON idempotency_keys TO nomad_services_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO nomad_services_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO nomad_services_system;
