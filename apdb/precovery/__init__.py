"""Precovery: new objects are measured on the difference images from before they were found."""
