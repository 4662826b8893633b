"""`python -m hubtools`: the same as the `hubtools` script."""

from hubtools.cli.main import main

if __name__ == "__main__":
    main()
