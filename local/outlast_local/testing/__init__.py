"""Tests against the real thing: a local stack of the user's agents, with a scripted model."""
