"""What analysts and operators ask, as tables."""
