"""From TOML text to a checked recipe."""
