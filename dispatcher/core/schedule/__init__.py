"""When campaigns may be sent: sending hours, and what holds a campaign. Pure."""
