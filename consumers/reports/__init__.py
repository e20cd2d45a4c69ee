"""The commands of the group `report`."""
