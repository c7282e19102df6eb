"""A loopback Azure ML workspace for tests and for trying the project without an account."""
