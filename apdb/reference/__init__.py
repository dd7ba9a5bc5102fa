"""Reference catalogues: loading them, and the neighbours of objects in them."""
