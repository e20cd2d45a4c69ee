"""HTTP of the simulators: kernel arrival stamps, the push client."""
