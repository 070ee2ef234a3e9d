"""Risk: the gate that every order passes."""
