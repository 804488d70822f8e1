"""Studies: the same training under named conditions, many seeds, one table; on this machine or on a cluster."""
