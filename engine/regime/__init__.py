"""Regimes: which of seven kinds of market an instrument is in, told from its past alone."""
