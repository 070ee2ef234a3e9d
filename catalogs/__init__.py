"""Market data: import, check, synthesise, read as arrays."""
