"""Trading against an exchange: adapters, nodes, monitoring."""
