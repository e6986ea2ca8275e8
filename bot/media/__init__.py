"""Pictures that come in and videos that go out, on our disk."""
