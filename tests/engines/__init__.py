"""Against a PostgreSQL server of their own."""
