"""Replay: a catalog or a recorded session fed into a live node, at the pace of its decisions."""
