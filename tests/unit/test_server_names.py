"""One Letta has one name in the map of keys, however its address is spelt."""

import pytest

from letta_conv_mcp.tools.keyed import server_of


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://localhost:8283", "http://127.0.0.1:8283"),
        ("http://LOCALHOST:8283", "http://127.0.0.1:8283"),
        ("http://[::1]:8283", "http://127.0.0.1:8283"),
        ("http://127.0.0.1:8283", "http://127.0.0.1:8283"),
        ("https://API.Letta.com", "https://api.letta.com"),
        ("https://letta.example/behind/Proxy", "https://letta.example/behind/Proxy"),
        ("local", "local"),
        ("", ""),
    ],
)
def test_a_letta_has_one_name(address: str, name: str) -> None:
    assert server_of(address) == name
