"""Judging what ran: splits, metrics, their uncertainty, the trial ledger, and the report."""
