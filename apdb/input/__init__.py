"""What a caller hands in: visits and tables, checked and made ready for COPY."""
