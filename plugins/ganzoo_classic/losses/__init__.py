"""Losses: energies, and games that look ahead or choose."""
