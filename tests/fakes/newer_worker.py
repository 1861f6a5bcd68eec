"""A worker of a later journal version: `python -m tests.fakes.newer_worker`."""

import sys

from worker import register, server
from worker.__main__ import main

VERSION = 7

if __name__ == "__main__":
    server.JOURNAL_VERSION = VERSION
    register.JOURNAL_VERSION = VERSION
    sys.exit(main())
