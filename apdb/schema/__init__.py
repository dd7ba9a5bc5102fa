"""The schema: the catalogue, what derives from it, and its way into a database."""
