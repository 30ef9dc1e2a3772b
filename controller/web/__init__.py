"""The web console: the page in a browser, what it is told and what may be asked from it."""
