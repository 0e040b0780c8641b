"""What the benchmark is made of: plans, verdicts, plots and pages. Nothing here is timed."""
