-- Roles belong to the whole cluster, so another database may have made them, or be making them right
-- now: what exists already is kept, and losing the race to another migration is no error.
--
-- The login may become either role but inherits neither, through a role that is NOINHERIT: otherwise
-- the system role's policies would apply to the login itself on PostgreSQL 12 to 15, where inheritance
-- is no property of a single grant.
DO $$
DECLARE
    membership RECORD;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'nomad_services_app') THEN
        BEGIN
            CREATE ROLE nomad_services_app NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'nomad_services_system') THEN
        BEGIN
            CREATE ROLE nomad_services_system NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'nomad_services_switch') THEN
        BEGIN
            CREATE ROLE nomad_services_switch NOLOGIN NOINHERIT;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;

    FOR membership IN
        SELECT granted, member FROM (VALUES
            ('nomad_services_app', 'nomad_services_switch'),
            ('nomad_services_system', 'nomad_services_switch'),
            ('nomad_services_switch', current_user::text)
        ) AS wanted (granted, member)
    LOOP
        -- From PostgreSQL 16 on the creator of a role is its member without the right to SET ROLE: that
        -- membership does not count. Earlier versions have no such option, hence the way through JSON.
        IF NOT EXISTS (
            SELECT FROM pg_auth_members
            JOIN pg_roles granted ON granted.oid = pg_auth_members.roleid
            JOIN pg_roles member ON member.oid = pg_auth_members.member
            WHERE granted.rolname = membership.granted
              AND member.rolname = membership.member
              AND COALESCE((to_jsonb(pg_auth_members) ->> 'set_option')::boolean, true)
        ) THEN
            BEGIN
                EXECUTE format('GRANT %I TO %I', membership.granted, membership.member);
            EXCEPTION
                WHEN unique_violation THEN NULL;
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'role % may not grant % to %: it did not create that role',
                        current_user, membership.granted, membership.member
                    USING ERRCODE = 'insufficient_privilege',
                        HINT = format('A superuser can run: GRANT %I TO %I',
                            membership.granted, membership.member);
            END;
        END IF;
    END LOOP;
END
$$;
