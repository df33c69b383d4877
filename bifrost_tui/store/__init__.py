"""The database: tables, migrations, the repository and the audit chain. Hands out no plaintext."""
