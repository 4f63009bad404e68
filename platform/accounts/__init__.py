"""Sign-in, sign-out, and the closing of open sockets."""
