"""Tools that the engine brings along, by the names under which models call them."""

READ_SKILL = "read_skill"
"""Of agents that have skills."""
SEARCH_TOOLS = "search_tools"
"""Of agents whose tools are not all shown to the model from the start."""
