"""Why hosts take a call back, in the words of their SDKs.

What the Python and TypeScript SDKs say is held to by tests/conformance/test_cancelling.py; the others' words are from
their sources.
"""

TIME_OUTS = {
    "Python": "timed out after 2.0s",
    "TypeScript 1": "McpError: MCP error -32001: Request timed out",
    "TypeScript 2": "SdkError: Request timed out",
    "TypeScript, AbortSignal.timeout": "TimeoutError: The operation was aborted due to timeout",
    "Go": "context deadline exceeded",
    "Kotlin": "Request timed out",
    "Rust": "request timeout",
    "LangChain4j": "Timeout",
}
"""The host gave up waiting."""

STOPS = {
    "Python": "caller cancelled",
    "TypeScript": "AbortError: This operation was aborted",
    "TypeScript, in the caller's words": "The person pressed Stop",
    "Go": "context canceled",
    "C# and Swift": None,
}
"""The person wants it to stop, or at least nothing says otherwise. None: no reason is given."""
