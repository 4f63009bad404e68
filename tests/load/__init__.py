"""Many sockets at once, in numbers that a test run bears; `make bench` and `make bench-nodes` do the same in earnest.

Only counts are tested, and times only where they are promised with room to spare.
"""
