"""What the points of a DIAObject say: variability, proper motion and parallax, and their queue."""
