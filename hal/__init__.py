"""The laser as the host sees it: ports, connections, drivers and the outcomes of commands."""
