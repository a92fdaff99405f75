-- What is encrypted stays so, and nobody can read it any more: refuse to go down while there is any.
DO $$
BEGIN
    SET LOCAL ROLE nomad_services_system;
    IF EXISTS (SELECT FROM services WHERE jsonb_path_exists(config, '$.**."$enc"'))
        OR EXISTS (SELECT FROM service_templates WHERE jsonb_path_exists(config, '$.**."$enc"'))
        OR EXISTS (SELECT FROM deployment_tasks WHERE request ? '$enc' OR job ? '$enc') THEN
        RAISE EXCEPTION 'values are encrypted under the data keys, which this would remove'
        USING ERRCODE = 'object_in_use';
    END IF;
    RESET ROLE;
END
$$;
DROP TABLE key_rotations;
DROP TABLE tenant_keys;
