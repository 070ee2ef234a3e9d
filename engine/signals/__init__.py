"""Signals: what the actors say of each instrument at a turn, as pure cores that training replays over history."""
