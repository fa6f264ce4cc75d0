"""Parameters and methods that Agno has and Actalog does not have yet: named, so that none is ignored."""

_KNOWLEDGE = "Knowledge comes later; give the agent a tool that searches."
_CONTEXT = "Write it into instructions."

AGENT_NOT_YET: dict[str, str] = {
    "role": "Teams come later.",
    "metadata": "Give it to run(metadata=...), or with the task.",
    "dependencies": "Give them to run(dependencies=...), or with the task.",
    "add_dependencies_to_context": "Tools can read run_context.dependencies.",
    "fallback_models": "", "fallback_config": "",
    "delay_between_retries": "Waits grow by themselves and follow retry-after; leave it out.",
    "exponential_backoff": "Waits grow by themselves and follow retry-after; leave it out.",
    "num_history_messages": "Use num_history_runs.", "max_tool_calls_from_history": "",
    "store_history_messages": "History is never stored again: prompts refer to it.",
    "read_chat_history": "", "read_tool_call_history": "", "search_past_sessions": "",
    "num_past_sessions_to_search": "", "num_past_session_runs_in_search": "",
    "search_session_history": "", "num_history_sessions": "",
    "enable_agentic_state": "Tools can change session_state, if they have a parameter of that name.",
    "overwrite_db_session_state": "State is changed by operations, never written whole.",
    "resolve_in_context": "", "cache_session": "Leave it out: sessions are read from the log.",
    "session_summary_manager": "Use enable_session_summaries.",
    "memory_manager": "Use update_memory_on_run and add_memories_to_context.",
    "enable_agentic_memory": "Use update_memory_on_run.",
    "learning": "", "add_learnings_to_context": "",
    "culture_manager": "", "enable_agentic_culture": "", "update_cultural_knowledge": "",
    "add_culture_to_context": "",
    "knowledge": _KNOWLEDGE, "search_knowledge": _KNOWLEDGE, "add_knowledge_to_context": _KNOWLEDGE,
    "knowledge_filters": _KNOWLEDGE, "enable_agentic_knowledge_filters": _KNOWLEDGE,
    "knowledge_retriever": _KNOWLEDGE, "update_knowledge": _KNOWLEDGE, "references_format": _KNOWLEDGE,
    "add_search_knowledge_instructions": _KNOWLEDGE,
    "tool_choice": "", "tool_hooks": "", "cache_callables": "", "callable_tools_cache_key": "",
    "input_schema": "Write the shape that is wanted into instructions.",
    "parser_model": "", "parser_model_prompt": "", "output_model": "", "output_model_prompt": "",
    "structured_outputs": "Use output_schema.", "use_json_mode": "Use output_schema.",
    "parse_response": "With a pydantic class as output_schema the answer is always parsed.",
    "response_model": "It is called output_schema.",
    "system_message": _CONTEXT, "system_message_role": "", "introduction": _CONTEXT,
    "build_context": "", "use_instruction_tags": "", "additional_context": _CONTEXT,
    "add_name_to_context": _CONTEXT, "add_datetime_to_context": "Give the agent a tool that tells the time.",
    "add_location_to_context": _CONTEXT, "datetime_format": "", "timezone_identifier": "",
    "additional_input": _CONTEXT, "user_message_role": "", "build_user_context": "",
    "reasoning": "", "reasoning_model": "", "reasoning_agent": "", "reasoning_min_steps": "",
    "reasoning_max_steps": "",
    "stream": "Give it to run(stream=True).", "stream_events": "Give it to run(stream_events=True).",
    "store_events": "Leave it out: every event is in the log.",
    "events_to_skip": "Leave it out: every event is in the log.",
    "send_media_to_model": "", "store_media": "", "media_storage": "",
    "store_tool_messages": "Leave it out: every event is in the log.",
    "compress_tool_results": "", "compression_manager": "", "compaction": "",
    "offload_tool_results": "", "filesystem": "", "skills": "", "followups": "",
    "num_followups": "", "followup_model": "",
    "save_response_to_file": "", "debug_mode": "`actalog log RUN` shows every step.",
    "debug_level": "`actalog log RUN` shows every step.",
}  # fmt: skip

_SESSIONS = "`actalog rebuild --session S` and GET /v1/sessions/S show one."
_RUNS = "`actalog rebuild RUN` and GET /v1/runs/RUN show one."
_NO_STORE = "Definitions are deployed with their App: `actalog deploy`."

# Their awaited forms have an `a` in front.
AGENT_METHODS_NOT_YET: dict[str, str] = {
    "get_session": _SESSIONS, "get_chat_history": _SESSIONS, "get_session_messages": _SESSIONS,
    "get_session_state": _SESSIONS, "update_session_state": "Give it to run(session_state=...).",
    "get_session_summary": _SESSIONS, "get_session_metrics": "", "get_session_name": "",
    "set_session_name": "", "rename_session": "", "generate_session_name": "",
    "fork_session": "", "delete_session": "", "save_session": "Every event is in the log.",
    "get_tool_call_history": _RUNS, "get_run_output": _RUNS, "get_last_run_output": _RUNS,
    "get_user_memories": "", "get_culture_knowledge": "",
    "deep_copy": "Make another Agent: it costs next to nothing.",
    "cli_app": "Use print_response, or `actalog run`.",
    "to_dict": "definition() is the agent as a value.", "save": _NO_STORE, "load": _NO_STORE,
    "delete": _NO_STORE, "as_tool": "", "add_tool": "Give it in tools=[...].",
    "set_tools": "Give them in tools=[...].",
}  # fmt: skip

TOOL_NOT_YET: dict[str, str] = {
    "title": "", "annotations": "", "strict": "", "instructions": "Use description.",
    "add_instructions": "", "show_result": "", "stop_after_tool_call": "",
    "requires_user_input": "", "user_input_fields": "", "external_execution": "",
    "external_execution_silent": "", "pre_hook": "", "post_hook": "", "tool_hooks": "",
    "cache_results": "", "cache_dir": "", "cache_ttl": "",
}  # fmt: skip

TOOLKIT_NOT_YET: dict[str, str] = {
    "external_execution_required_tools": "", "stop_after_tool_call_tools": "",
    "show_result_tools": "", "cache_results": "", "cache_ttl": "", "cache_dir": "",
    "add_instructions": "", "instructions": "", "async_tools": "Give async functions in tools.",
}  # fmt: skip

APP_NOT_YET: dict[str, str] = {
    "teams": "Teams come later.", "workflows": "Workflows come later.", "knowledge": _KNOWLEDGE,
    "interfaces": "", "authorization": "", "authorization_config": "", "user_isolation": "",
    "cors_allowed_origins": "Set ACTALOG_CORS_ORIGINS.", "mcp": "", "enable_mcp_server": "",
    "queue": "Leave it out: every task is durable.", "event_stream": "Leave it out: streams resume.",
    "registry": "", "scheduler": "", "public": "", "manager": "", "company": "",
    "base_app": "", "lifespan": "", "config": "", "settings": "Settings are ACTALOG_* variables.",
    "version": "", "run_hooks_in_background": "", "auto_provision_dbs": "",
    "on_route_conflict": "", "fastapi_app": "", "a2a_interface": "",
}  # fmt: skip

MODEL_NOT_YET: dict[str, str] = {
    "api_key": "Keys are no part of a definition; set {key} where the llm service runs.",
    "organization": "", "http_client": "", "client": "", "async_client": "", "client_params": "",
    "default_headers": "", "default_query": "", "cache_response": "", "cache_ttl": "",
    "cache_dir": "", "instructions": "Give them to the agent.", "system_prompt": "Give it to the agent.",
    "delay_between_retries": "Waits grow by themselves and follow retry-after; leave it out.",
    "exponential_backoff": "Waits grow by themselves and follow retry-after; leave it out.",
    "retry_with_guidance": "", "thinking": "", "betas": "", "skills": "", "mcp_servers": "",
    "cache_system_prompt": "", "store": "", "modalities": "", "audio": "", "role_map": "",
}  # fmt: skip
