"""Alert packets: schemas, encoding, fragments, and their making in the visit's transaction."""
