"""Black-box tests of the contract against real server processes."""
