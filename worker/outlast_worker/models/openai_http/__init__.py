"""Providers that speak OpenAI's wire format, spoken to over HTTP without any library of theirs.

api         the `ProviderApi`: one attempt, from the request to the answer
providers   which ones: addresses, and what each wants to be different
request     what is asked
transport   how bytes go and come
sse         bytes → events
assembler   events → the answer
calls       pieces of tool calls → calls
"""
