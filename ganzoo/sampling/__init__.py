"""A trained generator: its images, exports and model card."""
