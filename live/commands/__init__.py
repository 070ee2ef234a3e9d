"""The verbs of live: paper, live, kill, verify parity, bench live."""
