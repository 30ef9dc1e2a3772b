"""How fast picolase is: every figure beside a bare counterpart measured in the same run. Never assertions."""
