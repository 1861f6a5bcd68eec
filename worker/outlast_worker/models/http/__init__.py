"""One question and its answer over HTTP, for every wire that is spoken without a library.

- `exchange`: one attempt, from the request to the answer
- `transport`: how bytes go and come
- `sse`: bytes → events
- `writing`: what all requests have in common
- `reading`: what all assemblers do with events and bodies
"""
