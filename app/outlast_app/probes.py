"""What load balancers and supervisors ask every few seconds, by whatever address they have."""

PROBES = frozenset({"/healthz", "/readyz"})
