"""What the integration tests share: the gateway's process, raw MCP clients, scripted servers."""
