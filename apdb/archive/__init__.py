"""The archive: alert packets and stamps in Avro object container files, and their upkeep."""
