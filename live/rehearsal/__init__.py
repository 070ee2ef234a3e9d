"""An exchange on loopback that speaks Binance spot and USD-M, replays a catalog, and fails on purpose."""
