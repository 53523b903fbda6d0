"""The work behind the numbered steps, a module a topic; nothing here knows of models."""
