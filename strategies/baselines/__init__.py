"""Rule-based strategies that every result stands beside."""
