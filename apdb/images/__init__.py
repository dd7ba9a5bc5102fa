"""The image store: files of the image pipeline on a place of their own, indexed by footprint."""
