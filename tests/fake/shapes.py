"""Agents, conversations and runs as Letta's JSON has them: every key, in its order. Pure."""

from datetime import UTC, datetime

from tests.fake.state import SYSTEM_PROMPT, Agent, Conversation, Json, Run, Tool

USER = "user-00000000-0000-4000-8000-000000000000"
REQUEST_CONFIG: Json = {
    "use_assistant_message": True,
    "assistant_message_tool_name": "send_message",
    "assistant_message_tool_kwarg": "message",
}
RELATIONS = ("blocks", "tools", "tags", "sources", "identities", "secrets")


def stamp(at: datetime | None) -> str | None:
    """A fraction that is zero isn't written."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z" if at else None


def conversation_json(conversation: Conversation, *, with_context: bool = True) -> Json:
    """Only when it is read back does a conversation say which messages are in its context."""
    in_context = [message.id for message in conversation.thread.messages] if with_context else []
    return {
        "created_by_id": USER,
        "last_updated_by_id": USER,
        "created_at": stamp(conversation.created_at),
        "updated_at": stamp(conversation.updated_at),
        "id": conversation.id,
        "agent_id": conversation.agent_id,
        "summary": conversation.summary,
        "in_context_message_ids": in_context,
        "isolated_block_ids": [],
        "model": conversation.model,
        "model_settings": conversation.model_settings,
        "last_message_at": stamp(conversation.last_message_at),
    }


def run_json(run: Run, *, in_list: bool = False) -> Json:
    """Only a list of runs says how long each took."""
    took = run.completed_at - run.created_at if run.completed_at and in_list else None
    # The end is written without a time zone, the beginning with one.
    completed_at = run.completed_at.strftime("%Y-%m-%dT%H:%M:%S.%f") if run.completed_at else None
    return {
        "id": run.id,
        "status": run.status,
        "created_at": stamp(run.created_at),
        "completed_at": completed_at,
        "agent_id": run.agent_id,
        "conversation_id": run.conversation_id,
        "base_template_id": None,
        "background": run.background,
        "metadata": {"run_type": run.run_type, **(run.error or {})},
        "request_config": {**REQUEST_CONFIG, **run.request_config, "include_return_message_types": run.include_types},
        "stop_reason": run.stop_reason,
        "callback_url": None,
        "callback_sent_at": None,
        "callback_status_code": None,
        "callback_error": None,
        "ttft_ns": None,
        "total_duration_ns": int(took.total_seconds() * 1e9) if took else None,
    }


def agent_json(agent: Agent, include: list[str]) -> Json:
    """Without `include` all is there; with it, all but what it names is an empty list."""
    provider, _, model = agent.model.partition("/")
    return {
        "created_by_id": USER,
        "last_updated_by_id": USER,
        "created_at": stamp(agent.created_at),
        "updated_at": stamp(agent.updated_at),
        "id": agent.id,
        "name": agent.name,
        "tool_rules": [_rule(tool) for tool in agent.tools.values() if tool.requires_approval],
        "message_ids": [message.id for message in agent.thread.messages],
        "system": SYSTEM_PROMPT,
        "agent_type": "letta_v1_agent",
        "llm_config": _llm_config(model, provider, is_parallel=agent.parallel_tool_calls),
        "embedding_config": None,
        "model": agent.model,
        "embedding": None,
        "model_settings": {
            "max_output_tokens": 16384,
            "parallel_tool_calls": True,
            "provider_type": "openai",
            "temperature": 1.0,
            "reasoning": {"reasoning_effort": "minimal"},
            "response_format": None,
            "strict": False,
        },
        "compaction_settings": {
            "model": "openai/gpt-5-mini",
            "model_settings": None,
            "prompt": "Write a summary.",
            "prompt_acknowledgement": False,
            "clip_chars": 50000,
            "mode": "sliding_window",
            "sliding_window_percentage": 0.3,
        },
        "response_format": None,
        "description": agent.description,
        "metadata": None,
        "memory": {
            "agent_type": "letta_v1_agent",
            "git_enabled": False,
            "blocks": [],
            "file_blocks": [],
            "prompt_template": "",
        },
        "blocks": [],
        "tools": [_tool_json(tool) for tool in agent.tools.values()] if not include or "agent.tools" in include else [],
        "sources": [],
        "tags": agent.tags if not include or "agent.tags" in include else [],
        "tool_exec_environment_variables": [],
        "secrets": [],
        "project_id": None,
        "template_id": None,
        "base_template_id": None,
        "deployment_id": None,
        "entity_id": None,
        "identity_ids": [],
        "identities": [],
        "pending_approval": None,
        "message_buffer_autoclear": False,
        "enable_sleeptime": None,
        "multi_agent_group": None,
        "managed_group": None,
        "last_run_completion": stamp(agent.last_run_completion),
        "last_run_duration_ms": None,
        "last_stop_reason": agent.last_stop_reason,
        "timezone": "UTC",
        "max_files_open": 5,
        "per_file_view_window_char_limit": 15000,
        "hidden": None,
    }


def _llm_config(model: str, provider: str, *, is_parallel: bool) -> Json:
    return {
        "model": model,
        "display_name": None,
        "model_endpoint_type": "openai",
        "model_endpoint": "http://127.0.0.1:1/v1",
        "provider_name": "openai",
        "provider_category": "base",
        "model_wrapper": None,
        "context_window": 30000,
        "put_inner_thoughts_in_kwargs": False,
        "handle": f"{provider}/{model}",
        "temperature": 1.0,
        "max_tokens": 16384,
        "enable_reasoner": False,
        "reasoning_effort": None,
        "max_reasoning_tokens": 0,
        "effort": None,
        "frequency_penalty": None,
        "compatibility_type": None,
        "verbosity": None,
        "tier": None,
        "parallel_tool_calls": is_parallel,
        "response_format": None,
        "strict": False,
        "return_logprobs": False,
        "top_logprobs": None,
        "return_token_ids": False,
        "tool_call_parser": None,
    }


def _tool_json(tool: Tool) -> Json:
    return {
        "id": f"tool-{tool.name}",
        "tool_type": "custom",
        "name": tool.name,
        "tags": [],
        "default_requires_approval": None,
    }


def _rule(tool: Tool) -> Json:
    """Where it stands that calls of a tool wait for a person."""
    return {"tool_name": tool.name, "type": "requires_approval", "prompt_template": None}
