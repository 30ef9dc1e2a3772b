"""A simulated laser below the wire: board, plant, reference firmware, faults and line noise."""
