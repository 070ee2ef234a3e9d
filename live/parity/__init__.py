"""Parity: one stream of events through two runs, held to each other, and the certificate of what was found."""
