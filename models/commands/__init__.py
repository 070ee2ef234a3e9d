"""The verbs that need torch, a module each."""
