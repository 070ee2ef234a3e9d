"""The verbs that back-test, look at runs, and verify."""
