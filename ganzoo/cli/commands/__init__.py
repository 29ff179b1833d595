"""The commands, one module each; what several of them need lies beside this package."""
