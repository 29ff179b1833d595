"""What a component is, and how plugins are found, loaded and checked."""
