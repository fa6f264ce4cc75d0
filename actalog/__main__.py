"""`actalog` and `python -m actalog`."""


def main() -> None:
    """Run the command line."""
    from actalog.cli.main import app

    app()


if __name__ == "__main__":
    main()
