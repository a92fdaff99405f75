DO $$
DECLARE
    audited REGCLASS;
BEGIN
    FOR audited IN SELECT DISTINCT tgrelid::regclass FROM pg_trigger WHERE tgname = 'audit_row' LOOP
        EXECUTE format('DROP TRIGGER audit_row ON %s', audited);
        EXECUTE format('DROP TRIGGER audit_truncate ON %s', audited);
    END LOOP;
END
$$;
DROP FUNCTION audit_table(REGCLASS, TEXT, TEXT, TEXT[], TEXT[], TEXT, TEXT, TEXT);
DROP FUNCTION audit_event(TEXT, TEXT, JSONB);
DROP FUNCTION audit_truncate();
DROP FUNCTION audit_row();
DROP FUNCTION audit_append(UUID, UUID, TEXT, TEXT, JSONB);
DROP FUNCTION audit_changes(JSONB, JSONB, TEXT[], TEXT[]);
DROP FUNCTION audit_redacted(JSONB);
DROP FUNCTION audit_marked(JSONB);

-- The system user stays: rows of the trail name it.
DROP POLICY audit_logs_record ON audit_logs;
DROP POLICY audit_logs_triggers ON audit_logs;
