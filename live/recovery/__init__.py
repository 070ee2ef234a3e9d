"""Recovery: a session with real orders that was killed goes on with what it knew, held to what the venue says."""
