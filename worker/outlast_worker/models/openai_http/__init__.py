"""Providers that speak OpenAI's wire format, spoken to over HTTP without any library of theirs.

- `api`: the `ProviderApi`, one attempt from the request to the answer
- `providers`: which ones, their addresses, and what each wants to be different
- `request`: what is asked, in a chat
- `assembler`: events → the answer
- `calls`: pieces of tool calls → calls

How bytes go and come is `models/http/`.

OpenAI's newer models speak another dialect: `responses_request` and `responses_assembler`.
"""
