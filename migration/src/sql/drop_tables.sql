DROP TABLE subscriptions;
DROP TABLE api_keys;
DROP TABLE audit_logs;
DROP TABLE service_templates;
DROP TABLE service_deployments;
DROP TABLE services;
DROP TABLE users;
DROP TABLE tenants;
