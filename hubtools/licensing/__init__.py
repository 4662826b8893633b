"""Licences: the ids of the Hub, and which one a LoRA may carry."""
