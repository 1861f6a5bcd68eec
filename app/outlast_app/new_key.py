"""Makes a key for a client, and what `APP_KEYS` keeps of it.

    python -m outlast_app.new_key desk --rights invoke read

The key is shown this once. It goes to the client; the entry goes into the list of its tenant.
"""

import argparse
import json
import secrets
import sys

from outlast_app.keyring import checked_name, hash_of_key
from outlast_app.rights import ALL_RIGHTS

# By which scanners of leaked secrets can tell it.
_PREFIX = "outlast_"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m outlast_app.new_key",
        description="Make a key for a client, and the entry that APP_KEYS has for it.",
    )
    parser.add_argument("name", help="what the key is called in decisions and logs")
    parser.add_argument(
        "--rights",
        nargs="+",
        choices=sorted(ALL_RIGHTS),
        default=["invoke", "read", "approve"],
        help="what it may do; by default: %(default)s",
        metavar="RIGHT",
    )
    given = parser.parse_args()
    try:
        checked_name(given.name)
    except ValueError as error:
        parser.error(f"the name {error}")
    key = f"{_PREFIX}{secrets.token_urlsafe(32)}"
    entry = {"name": given.name, "sha256": hash_of_key(key), "rights": given.rights}
    sys.stdout.write(f"key    {key}\nentry  {json.dumps(entry)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
