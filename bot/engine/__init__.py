"""The engine: task steps, their schedule, and recovery after a crash."""
