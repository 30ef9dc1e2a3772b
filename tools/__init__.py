"""Tools that build and keep the project itself; nothing here is installed with it."""
