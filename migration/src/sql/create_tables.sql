-- A column the document marks UNIQUE has one unique index, under the name the document lists for it:
-- a second, constraint-made index would hold the same keys and slow every write.

CREATE TABLE tenants (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name VARCHAR(255) NOT NULL,
    slug VARCHAR(255) NOT NULL,
    description TEXT,
    domain VARCHAR(255),
    is_active BOOLEAN DEFAULT true,
    plan VARCHAR(50) DEFAULT 'free',
    max_services INTEGER DEFAULT 5,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT tenants_plan_check CHECK (plan IN ('free', 'starter', 'pro', 'enterprise'))
);
CREATE UNIQUE INDEX tenants_slug_idx ON tenants (slug);
CREATE UNIQUE INDEX tenants_domain_idx ON tenants (domain);
-- A page of the platform's tenants.
CREATE INDEX tenants_created_at_id_idx ON tenants (created_at, id);

CREATE TABLE users (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    email VARCHAR(255) NOT NULL,
    username VARCHAR(255) NOT NULL,
    password VARCHAR(255) NOT NULL,
    first_name VARCHAR(255),
    last_name VARCHAR(255),
    role VARCHAR(50) DEFAULT 'user',
    is_active BOOLEAN DEFAULT true,
    tenant_id UUID REFERENCES tenants (id),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT users_role_check CHECK (role IN ('admin', 'user', 'tenant_admin'))
);
CREATE UNIQUE INDEX users_email_idx ON users (email);
CREATE UNIQUE INDEX users_username_idx ON users (username);
CREATE INDEX users_tenant_id_idx ON users (tenant_id);
-- The administrators' list pages by this key, in either direction.
CREATE INDEX users_created_at_id_idx ON users (created_at, id);
-- A page of a tenant's members.
CREATE INDEX users_tenant_id_created_at_id_idx ON users (tenant_id, created_at, id);

CREATE TABLE services (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name VARCHAR(255) NOT NULL,
    type VARCHAR(50) NOT NULL,
    status VARCHAR(50) DEFAULT 'stopped',
    description TEXT,
    config JSONB,
    tenant_id UUID REFERENCES tenants (id),
    created_by UUID NOT NULL REFERENCES users (id),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT services_type_check
        CHECK (type IN ('database', 'web_server', 'message_queue', 'monitoring', 'devops', 'custom')),
    CONSTRAINT services_status_check CHECK (status IN ('running', 'stopped', 'error', 'pending'))
);
CREATE INDEX services_tenant_id_idx ON services (tenant_id);
CREATE INDEX services_created_by_idx ON services (created_by);
CREATE INDEX services_type_idx ON services (type);
CREATE INDEX services_status_idx ON services (status);
CREATE UNIQUE INDEX services_name_tenant_unique ON services (name, tenant_id);
-- One service of each type for a tenant; this implies the document's uniqueness of (name, type, tenant_id).
CREATE UNIQUE INDEX services_type_tenant_unique ON services (tenant_id, type);
-- A tenant's list of services pages by this key, in either direction.
CREATE INDEX services_tenant_id_created_at_id_idx ON services (tenant_id, created_at, id);

CREATE TABLE service_deployments (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    service_id UUID NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    status VARCHAR(50) DEFAULT 'pending',
    nomad_job_id VARCHAR(255),
    started_at TIMESTAMP,
    completed_at TIMESTAMP,
    error_msg TEXT,
    deployed_by UUID NOT NULL REFERENCES users (id),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT service_deployments_status_check
        CHECK (status IN ('pending', 'running', 'completed', 'failed'))
);
CREATE INDEX service_deployments_service_id_idx ON service_deployments (service_id);
CREATE INDEX service_deployments_deployed_by_idx ON service_deployments (deployed_by);
CREATE INDEX service_deployments_status_idx ON service_deployments (status);
CREATE INDEX service_deployments_nomad_job_id_idx ON service_deployments (nomad_job_id);
-- A service's deployment history pages by this key, in either direction.
CREATE INDEX service_deployments_service_id_created_at_id_idx
    ON service_deployments (service_id, created_at, id);

CREATE TABLE service_templates (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name VARCHAR(255) NOT NULL,
    type VARCHAR(50) NOT NULL,
    description TEXT,
    icon VARCHAR(255),
    category VARCHAR(255),
    tags TEXT[],
    config JSONB,
    is_public BOOLEAN DEFAULT true,
    created_by UUID NOT NULL REFERENCES users (id),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT service_templates_type_check
        CHECK (type IN ('database', 'web_server', 'message_queue', 'monitoring', 'devops', 'custom'))
);
CREATE INDEX service_templates_name_idx ON service_templates (name);
CREATE INDEX service_templates_type_idx ON service_templates (type);
CREATE INDEX service_templates_category_idx ON service_templates (category);
CREATE INDEX service_templates_created_by_idx ON service_templates (created_by);
CREATE INDEX service_templates_is_public_idx ON service_templates (is_public);
-- The list of templates pages by this key, in either direction.
CREATE INDEX service_templates_created_at_id_idx ON service_templates (created_at, id);

CREATE TABLE audit_logs (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL REFERENCES users (id),
    tenant_id UUID REFERENCES tenants (id),
    action VARCHAR(255) NOT NULL,
    resource VARCHAR(255) NOT NULL,
    details TEXT,
    ip_address VARCHAR(45),
    user_agent TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX audit_logs_user_id_idx ON audit_logs (user_id);
CREATE INDEX audit_logs_tenant_id_idx ON audit_logs (tenant_id);
CREATE INDEX audit_logs_action_idx ON audit_logs (action);
CREATE INDEX audit_logs_resource_idx ON audit_logs (resource);
CREATE INDEX audit_logs_created_at_idx ON audit_logs (created_at);
-- A page of a tenant's trail, in either direction.
CREATE INDEX audit_logs_tenant_id_created_at_id_idx ON audit_logs (tenant_id, created_at, id);

CREATE TABLE api_keys (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name VARCHAR(255) NOT NULL,
    key VARCHAR(255) NOT NULL,
    user_id UUID NOT NULL REFERENCES users (id),
    tenant_id UUID REFERENCES tenants (id),
    is_active BOOLEAN DEFAULT true,
    expires_at TIMESTAMP,
    last_used TIMESTAMP,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX api_keys_key_idx ON api_keys (key);
CREATE INDEX api_keys_user_id_idx ON api_keys (user_id);
CREATE INDEX api_keys_tenant_id_idx ON api_keys (tenant_id);
CREATE INDEX api_keys_is_active_idx ON api_keys (is_active);

CREATE TABLE subscriptions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    plan VARCHAR(50) NOT NULL,
    status VARCHAR(50) DEFAULT 'active',
    price_per_month DECIMAL(10,2),
    max_services INTEGER,
    billing_cycle VARCHAR(50) DEFAULT 'monthly',
    current_period_start TIMESTAMP,
    current_period_end TIMESTAMP,
    cancel_at_period_end BOOLEAN DEFAULT false,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT subscriptions_plan_check CHECK (plan IN ('free', 'starter', 'pro', 'enterprise')),
    CONSTRAINT subscriptions_status_check CHECK (status IN ('active', 'canceled', 'expired', 'pending')),
    CONSTRAINT subscriptions_billing_cycle_check CHECK (billing_cycle IN ('monthly', 'yearly'))
);
-- Unique because a tenant has one subscription.
CREATE UNIQUE INDEX subscriptions_tenant_id_idx ON subscriptions (tenant_id);
CREATE INDEX subscriptions_plan_idx ON subscriptions (plan);
CREATE INDEX subscriptions_status_idx ON subscriptions (status);
