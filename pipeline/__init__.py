"""From images to catalogues: thin stages of pure functions on arrays."""
