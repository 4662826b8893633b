"""A client that asks a Hub directly. One for all: making one reads the certificates of the world,
which takes far longer than an answer. No connection is kept, so that none outlives its Hub."""

from __future__ import annotations

import httpx2

CLIENT = httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0), timeout=200)
