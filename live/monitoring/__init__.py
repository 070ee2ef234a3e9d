"""What a running session says of itself, and whoever listens: snapshots, alerts, metrics, the monitor."""
