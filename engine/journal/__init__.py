"""The decision journal and the run folder."""
