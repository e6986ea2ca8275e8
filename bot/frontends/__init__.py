"""Chat platforms. None knows another, the engine, the store or the providers."""
