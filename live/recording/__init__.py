"""Recording: everything a session received, as it came, so that it can be replayed."""
