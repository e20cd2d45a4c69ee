"""What a simulated vendor took, and the judge of its flow limit."""
