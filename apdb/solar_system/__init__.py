"""Known objects of the solar system: their orbits, where they are each night, what was seen."""
