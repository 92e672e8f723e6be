"""Question sets, metrics, the runner, reports and the gate: whether answers got better or worse."""
