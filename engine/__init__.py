"""What runs inside the event loop, and what judges it."""
