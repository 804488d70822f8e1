"""From a policy to a report: start states, rollouts, success."""
