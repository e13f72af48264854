"""``python -m edgecv``."""

import sys

from edgecv.cli import main

if __name__ == "__main__":
    sys.exit(main())
