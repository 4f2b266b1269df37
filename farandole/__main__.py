"""What does `python -m farandole` run?"""

from farandole.cli.__main__ import main

if __name__ == "__main__":
    main()
