"""Tests against the real thing: a local stack of the user's agents, with a scripted model."""

from outlast_local.testing.project_stack import OutlastStack

__all__ = ["OutlastStack"]
