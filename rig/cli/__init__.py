"""The commands of rigs, which join `picolase` by entry points."""
