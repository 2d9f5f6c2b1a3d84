"""`python -m pipeline`: the command `authorprofile`, wherever its script lies."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
