"""The one list of actors and strategy, and the strategies themselves."""
