"""The data plane: MCP servers at their URLs, tool calls checked, planned, sent and shaped.

It sees no database, registry, service or API: what it needs comes through the Protocols in `ports`, wired in
`app.main`, so that it keeps serving from its snapshots while everything else is away.
"""
