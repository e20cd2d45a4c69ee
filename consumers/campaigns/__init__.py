"""Role `campaigns`: what is done for campaigns by time, by their results or by a schedule, without a person."""
