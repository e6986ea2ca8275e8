"""The only home of SQL. Every function here takes the caller's transaction."""
