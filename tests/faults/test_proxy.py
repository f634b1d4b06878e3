"""The fault proxy itself: without a fault it isn't there, and with one only its client sees a difference."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.fake import Cut, Ending
from tests.fake.frames import DONE
from tests.proxy import FaultProxy, make_certificate
from tests.stack import Running
from tests.stack.seed import make_agent, make_conversation

pytestmark = pytest.mark.real_letta


@pytest.fixture
def proxy(real_letta: Running) -> Iterator[FaultProxy]:
    with FaultProxy(real_letta.base_url) as proxy:
        yield proxy


@pytest.fixture
def direct(real_letta: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=real_letta.base_url, timeout=30, trust_env=False) as http:
        yield http


@pytest.fixture
def through(proxy: FaultProxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.base_url, timeout=30, trust_env=False) as http:
        yield http


@pytest.fixture
def talk(real_letta: Running) -> str:
    return make_conversation(real_letta, make_agent(real_letta, "Ada"))


def message_body(text: str = "#reason hm# one two ☃ three") -> dict[str, Any]:
    message = {"role": "user", "content": text, "otid": uuid4().hex}
    return {"messages": [message], "background": True, "stream_tokens": True, "include_pings": True}


def send(http: httpx.Client, talk: str) -> None:
    http.post(f"/v1/conversations/{talk}/messages", json=message_body()).raise_for_status()


def run_of(direct: httpx.Client, talk: str) -> str:
    return direct.get("/v1/runs/", params={"conversation_id": talk, "limit": 1}).json()[0]["id"]


def test_a_stream_comes_through_byte_by_byte_and_frame_by_frame(
    proxy: FaultProxy, direct: httpx.Client, through: httpx.Client, talk: str
) -> None:
    """Letta's: a background run is replayed as it was."""
    send(direct, talk)
    path = f"/v1/runs/{run_of(direct, talk)}/stream"

    expected = direct.post(path, json={"starting_after": 0})
    got = through.post(path, json={"starting_after": 0})
    [seen] = proxy.requests

    assert got.content == expected.content
    assert "☃" in got.text
    assert got.text.endswith(DONE)
    assert got.headers["content-type"] == expected.headers["content-type"]
    assert seen.frames == [len(frame) + 2 for frame in expected.content.split(b"\n\n")[:-1]]


def test_whatever_is_no_stream_comes_through_too(direct: httpx.Client, through: httpx.Client, talk: str) -> None:
    requests: list[tuple[str, str, dict[str, Any], Any]] = [
        ("GET", "/v1/conversations/", {"limit": 2, "order": "asc"}, None),
        ("GET", f"/v1/conversations/{talk}", {}, None),
        ("GET", "/v1/nothing/here", {}, None),
        ("POST", f"/v1/conversations/{talk}/messages", {}, {"messages": []}),
        ("PATCH", f"/v1/conversations/{talk}", {}, {"summary": "a ☃"}),
    ]

    for method, path, params, body in requests:
        expected = direct.request(method, path, params=params, json=body)
        got = through.request(method, path, params=params, json=body)

        # A change of the same thing has a new date.
        same_body = method == "PATCH" or got.content == expected.content
        assert (got.status_code, got.headers["content-type"], same_body) == (
            expected.status_code,
            expected.headers["content-type"],
            True,
        )


def test_letta_sees_a_client_that_goes_away_go_away(
    proxy: FaultProxy, direct: httpx.Client, through: httpx.Client, talk: str
) -> None:
    """Ours: a stream past its end would ping for ever, and the proxy with it."""
    send(direct, talk)
    path = f"/v1/runs/{run_of(direct, talk)}/stream"

    with through.stream("POST", path, json={"starting_after": 1000}) as stream:
        next(stream.iter_raw())
    proxy.wait_until_idle(path)

    assert [seen.state for seen in proxy.requests] == ["abandoned"]


@pytest.mark.parametrize(
    ("ending", "error"),
    [(Ending.CUT, httpx.RemoteProtocolError), (Ending.RESET, httpx.ReadError), (Ending.OVER, None)],
)
def test_a_stream_is_cut_at_the_very_byte_and_letta_goes_on(
    proxy: FaultProxy,
    direct: httpx.Client,
    through: httpx.Client,
    talk: str,
    ending: Ending,
    error: type[Exception] | None,
) -> None:
    """HTTP's: a chunked answer has an end of its own, so a closed connection is none."""
    proxy.fail("POST", "*/messages", Cut(1, 30, ending))

    got, raised = b"", None
    try:
        with through.stream("POST", f"/v1/conversations/{talk}/messages", json=message_body()) as stream:
            for raw in stream.iter_raw():
                got += raw
    except httpx.HTTPError as problem:
        raised = type(problem)
    proxy.wait_until_idle()
    run_id = run_of(direct, talk)
    replayed = direct.post(f"/v1/runs/{run_id}/stream", json={"starting_after": 0}).content
    first = replayed.index(b"\n\n") + 2

    assert raised is error
    assert replayed.startswith(got)
    # A reset may swallow what it follows.
    assert len(got) == first + 30 or ending is Ending.RESET
    assert replayed.endswith(DONE.encode())


def test_a_letta_that_is_not_there_is_a_closed_connection() -> None:
    with FaultProxy("http://127.0.0.1:9") as proxy, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{proxy.base_url}/v1/health/", trust_env=False)


def test_tls_is_spoken_with_a_certificate_that_is_trusted_only_when_told_to(
    real_letta: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    with FaultProxy(real_letta.base_url, certificate=certificate) as proxy:
        with httpx.Client(base_url=proxy.base_url) as stranger, pytest.raises(httpx.ConnectError):
            stranger.get("/v1/health/")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
        with httpx.Client(base_url=proxy.base_url) as friend:
            assert friend.get("/v1/health/").json()["status"] == "ok"
