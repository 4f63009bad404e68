"""Peers to measure beside our nodes: each takes sockets on a port and, told by SIGUSR1, sends one frame to all."""
