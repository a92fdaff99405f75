DROP TRIGGER end_access ON users;
DROP FUNCTION end_access();
DROP POLICY api_keys_triggers_update ON api_keys;
DROP POLICY api_keys_triggers_select ON api_keys;
DROP POLICY refresh_tokens_triggers_update ON refresh_tokens;
DROP POLICY refresh_tokens_triggers_select ON refresh_tokens;
DROP TABLE sign_in_throttles;
DROP TABLE invitations;
DROP TABLE api_key_grants;
