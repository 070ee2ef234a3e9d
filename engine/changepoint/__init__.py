"""Changepoints: the probability that the world of an instrument changed within its last bars."""
