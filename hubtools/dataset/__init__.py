"""Pictures and captions: read, checked (D), mended, packed."""
