"""The contract between the parts: observation, action, messages, configuration, errors."""
