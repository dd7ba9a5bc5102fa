"""A folder of images, processed in parallel, as they are there or as they arrive."""
