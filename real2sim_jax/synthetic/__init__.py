"""Made-up scenes with a known truth, and films of them."""
