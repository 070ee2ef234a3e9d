"""What talks to an exchange through ccxt, and knows nothing of NautilusTrader."""
