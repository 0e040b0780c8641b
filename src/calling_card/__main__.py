"""``python -m calling_card`` is the command line."""

from calling_card.cli import main

if __name__ == "__main__":
    main()
