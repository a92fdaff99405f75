DROP TABLE idempotency_keys;
DROP TABLE refresh_tokens;
DROP TABLE deployment_tasks;
