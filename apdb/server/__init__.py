"""The private PostgreSQL: found, configured, started and stopped."""
