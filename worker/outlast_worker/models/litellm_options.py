"""What litellm takes as arguments of its own, of what stands in `extra_body`.

They are OpenAI's chat parameters, what litellm 1.106.2 translates or sends on for some provider,
and what widely used servers take beside them, read in their documents on 2026-11-28. What is not
here goes on inside `extra_body`.
"""

_OF_CHAT = """
    audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens
    max_tokens metadata modalities n parallel_tool_calls prediction presence_penalty
    prompt_cache_key prompt_cache_retention reasoning_effort response_format safety_identifier seed
    service_tier stop store temperature tool_choice top_logprobs top_p user verbosity
    web_search_options
"""
_OF_LITELLM = """
    additional_drop_params allowed_openai_params api_version aws_bedrock_runtime_endpoint
    aws_profile_name aws_region_name aws_role_name aws_session_name base_model
    cache_control_injection_points deployment_id drop_params enable_prompt_caching
    ensure_alternating_roles extra_body extra_headers include_server_side_tool_invocations
    organization project project_id reasoning region_name space_id supports_system_message
    use_chat_completions_api vertex_location vertex_project
"""
# By provider or server: Anthropic, Bedrock, Cohere, Fireworks, Gemini, Mistral, OpenRouter,
# Perplexity, Qwen, xAI, Ollama, llama.cpp, vLLM, watsonx.
_OF_SOME = """
    anthropic_beta cache_control container context_management inference_geo mcp_servers
    output_config speed stop_sequences system thinking top_k
    guardrailConfig performanceConfig requestMetadata
    citation_options documents k p preamble safety_mode
    context_length_exceeded_behavior echo ignore_eos perf_metrics_in_response prompt_truncate_len
    raw_output
    cached_content candidate_count generation_config max_output_tokens media_resolution
    response_mime_type response_modalities response_schema safety_settings speech_config
    thinking_config
    prompt_mode random_seed safe_prompt
    models plugins provider route transforms usage
    disable_search return_images return_related_questions search_domain_filter search_mode
    search_recency_filter
    enable_search enable_thinking preserve_thinking result_format search_options thinking_budget
    deferred search_parameters
    format keep_alive min_p mirostat mirostat_eta mirostat_tau num_ctx num_gpu num_gqa num_keep
    num_predict num_thread options repeat_last_n repeat_penalty template tfs_z think typical_p
    cache_prompt dry_multiplier grammar json_schema n_predict samplers top_a
    add_generation_prompt allowed_token_ids bad_words best_of chat_template chat_template_kwargs
    continue_final_message guided_choice guided_decoding_backend guided_grammar guided_json
    guided_regex include_reasoning include_stop_str_in_output length_penalty logits_processors
    min_tokens priority prompt_logprobs repetition_penalty return_token_ids
    skip_special_tokens spaces_between_special_tokens stop_token_ids structured_outputs
    truncate_prompt_tokens use_beam_search
    decoding_method include_stop_sequences max_new_tokens min_new_tokens
"""
ARGUMENTS = frozenset((_OF_CHAT + _OF_LITELLM + _OF_SOME).split())

WORDS_TO_LITELLM = frozenset(
    {
        "additional_drop_params",
        "allowed_openai_params",
        "base_model",
        "cache_control_injection_points",
        "deployment_id",
        "drop_params",
        "enable_prompt_caching",
        "ensure_alternating_roles",
        "include_server_side_tool_invocations",
        "supports_system_message",
        "use_chat_completions_api",
    }
)
"""Options that no provider has: with them a model is asked through litellm."""
