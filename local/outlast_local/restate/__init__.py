"""The Restate server of a local stack: where it comes from, and how it is run."""

VERSION = "1.7.12"
"""The one that Outlast is tested with; package.json and the compose files name the same."""
