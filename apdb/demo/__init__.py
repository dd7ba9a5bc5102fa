"""The demonstration: a simulated night, or real alerts, stored and shown."""
