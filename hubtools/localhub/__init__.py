"""A Hub on this machine: enough of the Hub's HTTP API for the unmodified `huggingface_hub`,
`datasets`, `diffusers` and `hf` to create, push, review and read repositories, without a network.

Start one with `hubtools hub serve`, `python -m hubtools.localhub`, or `localhub.server.Hub`. It
listens on the loopback interface only and imports nothing of hubtools but its ground floor.
"""
