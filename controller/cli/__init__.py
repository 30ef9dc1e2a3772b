"""The command line `picolase`: one module for each noun; nothing heavy is imported before it runs."""
