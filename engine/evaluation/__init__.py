"""Judging what ran: metrics and the report."""
