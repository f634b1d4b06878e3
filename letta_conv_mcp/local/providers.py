"""The model providers that `setup-local` knows: pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One kind of provider.

    Attributes:
        id: the App Server's name for it.
        title: the name for people.
        prefix: what its models' handles begin with.
        address: where it usually is; None where it is at one place, or anywhere.
        has_address: whether it can be elsewhere.
        key_variable: the environment variable that holds its key; None where it usually wants none.
    """

    id: str
    title: str
    prefix: str
    address: str | None = None
    has_address: bool = True
    key_variable: str | None = None


PROVIDERS = (
    Provider(id="ollama", title="Ollama", prefix="ollama/", address="http://localhost:11434/v1"),
    Provider(id="lmstudio", title="LM Studio", prefix="lmstudio/", address="http://127.0.0.1:1234/v1"),
    Provider(id="llama-cpp", title="llama.cpp", prefix="llama.cpp/", address="http://localhost:8080/v1"),
    Provider(id="openai-compatible", title="any OpenAI-compatible address", prefix="openai-compatible/"),
    Provider(
        id="anthropic",
        title="Anthropic",
        prefix="anthropic/",
        has_address=False,
        key_variable="ANTHROPIC_API_KEY",
    ),
    Provider(id="openai", title="OpenAI", prefix="openai/", has_address=False, key_variable="OPENAI_API_KEY"),
)


def provider_named(name: str) -> Provider | None:
    """The provider of this id."""
    return next((provider for provider in PROVIDERS if provider.id == name), None)


def handles_of(provider: Provider, offered: Sequence[str]) -> list[str]:
    """Which of the offered models are the provider's."""
    return [handle for handle in offered if handle.startswith(provider.prefix)]


def handle_named(provider: Provider, name: str, handles: Sequence[str]) -> str | None:
    """The handle that a person means by a model's name, with or without the provider before it."""
    return next((handle for handle in handles if handle in (name, f"{provider.prefix}{name}")), None)
