"""Networks: an autoencoder that scores images, and its decoder as a generator."""
