"""The ccxt adapter: a core without a trading library, and NautilusTrader's data and execution clients around it."""
