"""`apdb serve`: the archive of alerts over HTTP."""
