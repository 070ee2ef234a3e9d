"""The dashboard: reads run folders and writes controls, from a process of its own."""
