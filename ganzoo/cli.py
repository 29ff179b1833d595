def main() -> None:
    """Command line (to come)."""
