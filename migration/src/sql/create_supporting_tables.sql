-- The worker's own record of a deployment (lease, fence, rendered job, progress), kept apart because
-- service_deployments has exactly the document's columns.
CREATE TABLE deployment_tasks (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id UUID NOT NULL REFERENCES tenants (id),
    -- No foreign key: a purge outlives the service it cleans up after.
    service_id UUID NOT NULL,
    deployment_id UUID REFERENCES service_deployments (id) ON DELETE CASCADE,
    action VARCHAR(50) NOT NULL,
    nomad_namespace VARCHAR(255) NOT NULL,
    nomad_job_id VARCHAR(255) NOT NULL,
    -- What the service was when its start was asked for, and the job built from it; both go when the task ends.
    request JSONB,
    job JSONB,
    -- Of all that decides what runs: a start of the same again has nothing to do.
    spec_hash VARCHAR(64),
    -- What may run because of it: of a start what it was asked with, of a purge what may still run of the service. Counts
    -- within the tenant's limits until Nomad is known to run another job, or none. MHz, MB, MB.
    cpu INTEGER,
    memory INTEGER,
    disk INTEGER,
    phase JSONB NOT NULL,
    reason TEXT,
    lease_owner UUID,
    lease_until TIMESTAMP,
    fence BIGINT NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    run_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    deadline_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT deployment_tasks_action_check CHECK (action IN ('start', 'stop', 'restart', 'purge'))
);
CREATE INDEX deployment_tasks_tenant_id_idx ON deployment_tasks (tenant_id);
CREATE INDEX deployment_tasks_deployment_id_idx ON deployment_tasks (deployment_id);
-- What a service was started with last.
CREATE INDEX deployment_tasks_service_id_created_at_idx ON deployment_tasks (service_id, created_at);
-- One task under way for a service, whichever replica accepts the request.
CREATE UNIQUE INDEX deployment_tasks_service_id_unfinished_unique
    ON deployment_tasks (service_id) WHERE finished_at IS NULL;
-- The worker's search for what is due; finished tasks don't slow it down.
CREATE INDEX deployment_tasks_run_at_unfinished_idx ON deployment_tasks (run_at) WHERE finished_at IS NULL;

-- Signed-in sessions: each rotation adds a row to its family, so that a token presented twice is
-- recognised and ends the family. A session lives as long as one token of its family is neither used
-- nor revoked, and there is never more than one.
CREATE TABLE refresh_tokens (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    family_id UUID NOT NULL,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash BYTEA NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at TIMESTAMP,
    revoked_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    -- When and where the session was begun, and from where it is used, so that people recognise theirs.
    signed_in_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    ip_address VARCHAR(45),
    user_agent TEXT
);
CREATE UNIQUE INDEX refresh_tokens_token_hash_unique ON refresh_tokens (token_hash);
CREATE INDEX refresh_tokens_family_id_idx ON refresh_tokens (family_id);
CREATE UNIQUE INDEX refresh_tokens_family_id_live_unique
    ON refresh_tokens (family_id) WHERE used_at IS NULL AND revoked_at IS NULL;
CREATE INDEX refresh_tokens_user_id_idx ON refresh_tokens (user_id);

-- Answers already given to POST requests that carried an Idempotency-Key, replayed when the key
-- comes again. No foreign key: somebody who registers is no user yet.
CREATE TABLE idempotency_keys (
    user_id UUID NOT NULL,
    key VARCHAR(255) NOT NULL,
    fingerprint BYTEA NOT NULL,
    status INTEGER NOT NULL,
    response JSONB NOT NULL,
    location TEXT,
    etag TEXT,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);
