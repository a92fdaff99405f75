REVOKE ALL ON idempotency_keys FROM nomad_services_app, nomad_services_system;
DROP POLICY idempotency_keys_system ON idempotency_keys;
DROP POLICY idempotency_keys_user ON idempotency_keys;
ALTER TABLE idempotency_keys NO FORCE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys DISABLE ROW LEVEL SECURITY;

REVOKE ALL ON refresh_tokens FROM nomad_services_app, nomad_services_system;
DROP POLICY refresh_tokens_system ON refresh_tokens;
DROP POLICY refresh_tokens_user ON refresh_tokens;
ALTER TABLE refresh_tokens NO FORCE ROW LEVEL SECURITY;
ALTER TABLE refresh_tokens DISABLE ROW LEVEL SECURITY;

REVOKE ALL ON deployment_tasks FROM nomad_services_app, nomad_services_system;
DROP POLICY deployment_tasks_system ON deployment_tasks;
DROP POLICY deployment_tasks_tenant ON deployment_tasks;
ALTER TABLE deployment_tasks NO FORCE ROW LEVEL SECURITY;
ALTER TABLE deployment_tasks DISABLE ROW LEVEL SECURITY;

REVOKE ALL ON subscriptions FROM nomad_services_app, nomad_services_system;
DROP POLICY subscriptions_system ON subscriptions;
DROP POLICY subscriptions_tenant ON subscriptions;
ALTER TABLE subscriptions NO FORCE ROW LEVEL SECURITY;
ALTER TABLE subscriptions DISABLE ROW LEVEL SECURITY;

REVOKE ALL ON api_keys FROM nomad_services_app, nomad_services_system;
DROP POLICY api_keys_system ON api_keys;
DROP POLICY api_keys_tenant ON api_keys;
ALTER TABLE api_keys NO FORCE ROW LEVEL SECURITY;
ALTER TABLE api_keys DISABLE ROW LEVEL SECURITY;

REVOKE ALL ON audit_logs FROM nomad_services_app, nomad_services_system;
DROP POLICY audit_logs_system ON audit_logs;
DROP POLICY audit_logs_tenant ON audit_logs;
ALTER TABLE audit_logs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_logs DISABLE ROW LEVEL SECURITY;

REVOKE ALL ON service_templates FROM nomad_services_app, nomad_services_system;
DROP POLICY service_templates_system ON service_templates;
DROP POLICY service_templates_public ON service_templates;
DROP POLICY service_templates_tenant ON service_templates;
ALTER TABLE service_templates NO FORCE ROW LEVEL SECURITY;
ALTER TABLE service_templates DISABLE ROW LEVEL SECURITY;

REVOKE ALL ON service_deployments FROM nomad_services_app, nomad_services_system;
DROP POLICY service_deployments_system ON service_deployments;
DROP POLICY service_deployments_tenant ON service_deployments;
ALTER TABLE service_deployments NO FORCE ROW LEVEL SECURITY;
ALTER TABLE service_deployments DISABLE ROW LEVEL SECURITY;

REVOKE ALL ON services FROM nomad_services_app, nomad_services_system;
DROP POLICY services_system ON services;
DROP POLICY services_tenant ON services;
ALTER TABLE services NO FORCE ROW LEVEL SECURITY;
ALTER TABLE services DISABLE ROW LEVEL SECURITY;

REVOKE ALL ON users FROM nomad_services_app, nomad_services_system;
DROP POLICY users_system ON users;
DROP POLICY users_role ON users;
DROP POLICY users_tenant ON users;
ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
ALTER TABLE users DISABLE ROW LEVEL SECURITY;

REVOKE ALL ON tenants FROM nomad_services_app, nomad_services_system;
DROP POLICY tenants_system ON tenants;
DROP POLICY tenants_tenant ON tenants;
ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY;
ALTER TABLE tenants DISABLE ROW LEVEL SECURITY;
