"""All that knows Letta. Nothing here names MCP."""
