"""What is promised, under faults: every row of the fault matrix, and a randomized run whose history is judged.

`python -m tests.faults.run --seeds 20 --seconds 300` (`make faults`) is the long form of the run.
"""
