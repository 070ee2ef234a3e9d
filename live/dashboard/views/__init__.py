"""The views of a run: each shows one side of it, and changes only what is different."""
