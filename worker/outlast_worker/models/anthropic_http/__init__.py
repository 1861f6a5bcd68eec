"""Providers that speak Anthropic's Messages, spoken to over HTTP without a library of theirs.

- `api`: the `ProviderApi`, one attempt from the request to the answer
- `address`: where it is, with which key
- `request`: what is asked
- `thinking`: how much it is to think
- `conversation`: a chat → blocks of messages
- `layout`: in which order a model's blocks came
- `assembler`: events → the answer
- `usage`: what it used

How bytes go and come is `models/http/`. https://platform.claude.com/docs/en/api/messages
"""
