"""The moving sky: dynamics, observers and ephemerides as pure functions on arrays."""
