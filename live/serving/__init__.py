"""The inference service: a policy's answers over HTTP, the same to the last bit as in the strategy."""
