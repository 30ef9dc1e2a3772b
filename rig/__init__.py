"""Tools for test rigs: pytest plugin, conformance suite, whole-stack simulation, fault campaigns."""
