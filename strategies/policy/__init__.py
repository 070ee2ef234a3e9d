"""The reinforcement-learning policy as a strategy."""
