"""The command line `apdb`."""
