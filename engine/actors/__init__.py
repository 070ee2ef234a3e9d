"""Thin NautilusTrader actors around the mathematics."""
