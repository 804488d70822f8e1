"""How good fitted tracks are: rules, errors against a known truth, reports."""
