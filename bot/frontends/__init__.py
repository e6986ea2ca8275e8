"""The places where people talk to Reelay. None knows another, nor the engine, nor a provider."""
