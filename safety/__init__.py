"""Whether light may be asked for: supervisor, treatment and exposure limits, audit chain."""
