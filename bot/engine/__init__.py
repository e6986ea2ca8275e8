"""What moves tasks on: steps, when to take them, and what to do after a crash."""
