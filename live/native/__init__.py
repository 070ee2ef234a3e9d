"""NautilusTrader's own Binance adapter in place of ccxt: its data by a listener of its own, its execution client in the session's node."""
