-- A row that points at another tenant's row is refused, whoever writes it: foreign keys look past row-level security, so
-- without this a tenant could name a user or a service that it can't see. Triggers and not composite keys, because a
-- platform administrator, who has no tenant, may act inside one, and because the columns stay as they are. A row never
-- moves to another tenant, so what was checked once stays true.

-- Row-level security is forced and binds the owner as well; what the functions of the owner (SECURITY DEFINER) need to see
-- is let through by policies for the owner alone, and only inside a trigger.
DO $$
DECLARE
    owned TEXT;
BEGIN
    FOREACH owned IN ARRAY ARRAY['users', 'services', 'service_deployments'] LOOP
        EXECUTE format(
            'CREATE POLICY %I ON %I FOR SELECT TO %I USING (pg_trigger_depth() > 0)',
            owned || '_triggers', owned, current_user);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION refuse_reference(referring TEXT, referring_column TEXT, referred TEXT) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% points at %, which is not its tenant''s', referring, referring_column, referred
        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = referring || '_same_tenant';
END
$$;

CREATE OR REPLACE FUNCTION keep_tenant() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- A user who becomes a platform administrator has no tenant any more.
    IF TG_TABLE_NAME = 'users' AND NEW.tenant_id IS NULL THEN
        RETURN NEW;
    END IF;
    PERFORM refuse_reference(TG_TABLE_NAME, 'tenant_id', 'another tenant');
END
$$;

CREATE OR REPLACE FUNCTION keep_user() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM refuse_reference(TG_TABLE_NAME, 'user_id', 'another user');
END
$$;

-- The argument names the column that points at a user.
CREATE OR REPLACE FUNCTION refuse_foreign_user() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant UUID;
    named UUID;
BEGIN
    IF TG_TABLE_NAME = 'service_deployments' THEN
        SELECT tenant_id INTO tenant FROM services WHERE id = NEW.service_id;
    ELSE
        tenant := NEW.tenant_id;
    END IF;
    IF TG_ARGV[0] = 'created_by' THEN
        named := NEW.created_by;
    ELSIF TG_ARGV[0] = 'deployed_by' THEN
        named := NEW.deployed_by;
    ELSIF TG_ARGV[0] = 'user_id' THEN
        named := NEW.user_id;
    ELSE
        -- Slower, for tables that are written seldom.
        named := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
    END IF;
    IF EXISTS (SELECT FROM users WHERE id = named AND tenant_id <> tenant) THEN
        PERFORM refuse_reference(TG_TABLE_NAME, TG_ARGV[0], 'a user');
    END IF;
    RETURN NULL;
END
$$;

-- A purge outlives the service it cleans up after.
CREATE OR REPLACE FUNCTION refuse_foreign_service() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM services WHERE id = NEW.service_id AND tenant_id <> NEW.tenant_id) THEN
        PERFORM refuse_reference(TG_TABLE_NAME, 'service_id', 'a service');
    END IF;
    IF EXISTS (SELECT FROM service_deployments WHERE id = NEW.deployment_id AND service_id <> NEW.service_id) THEN
        PERFORM refuse_reference(TG_TABLE_NAME, 'deployment_id', 'a deployment');
    END IF;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION refuse_reference(TEXT, TEXT, TEXT) FROM PUBLIC;
REVOKE ALL ON FUNCTION keep_user() FROM PUBLIC;
REVOKE ALL ON FUNCTION refuse_foreign_user() FROM PUBLIC;
REVOKE ALL ON FUNCTION refuse_foreign_service() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION refuse_reference(TEXT, TEXT, TEXT) TO nomad_services_app, nomad_services_system;

DO $$
DECLARE
    named TEXT;
BEGIN
    FOREACH named IN ARRAY ARRAY['users', 'services', 'api_keys', 'subscriptions', 'deployment_tasks'] LOOP
        EXECUTE format(
            'CREATE TRIGGER keep_tenant BEFORE UPDATE OF tenant_id ON %I FOR EACH ROW
                WHEN (OLD.tenant_id IS DISTINCT FROM NEW.tenant_id) EXECUTE FUNCTION keep_tenant()', named);
    END LOOP;
END
$$;
-- A session stays its user's, whose tenant is the session's.
CREATE TRIGGER keep_user BEFORE UPDATE OF user_id ON refresh_tokens FOR EACH ROW
    WHEN (OLD.user_id IS DISTINCT FROM NEW.user_id) EXECUTE FUNCTION keep_user();
CREATE TRIGGER refuse_foreign_user AFTER INSERT OR UPDATE OF created_by ON services
    FOR EACH ROW EXECUTE FUNCTION refuse_foreign_user('created_by');
CREATE TRIGGER refuse_foreign_user AFTER INSERT OR UPDATE OF service_id, deployed_by ON service_deployments
    FOR EACH ROW EXECUTE FUNCTION refuse_foreign_user('deployed_by');
CREATE TRIGGER refuse_foreign_user AFTER INSERT OR UPDATE OF user_id ON api_keys
    FOR EACH ROW EXECUTE FUNCTION refuse_foreign_user('user_id');
CREATE TRIGGER refuse_foreign_user AFTER INSERT ON audit_logs
    FOR EACH ROW EXECUTE FUNCTION refuse_foreign_user('user_id');
CREATE TRIGGER refuse_foreign_service AFTER INSERT OR UPDATE OF service_id, deployment_id ON deployment_tasks
    FOR EACH ROW EXECUTE FUNCTION refuse_foreign_service();
