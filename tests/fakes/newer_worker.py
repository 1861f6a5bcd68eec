"""A worker of a later journal version: `python -m fakes.newer_worker`."""

import sys

from outlast_worker import register, server
from outlast_worker.__main__ import main
from outlast_worker.engine.records import JOURNAL_VERSION

VERSION = JOURNAL_VERSION + 1

if __name__ == "__main__":
    server.JOURNAL_VERSION = VERSION  # pyright: ignore[reportPrivateImportUsage]
    register.JOURNAL_VERSION = VERSION  # pyright: ignore[reportPrivateImportUsage]
    sys.exit(main())
