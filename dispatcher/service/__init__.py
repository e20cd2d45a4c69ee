"""What people can ask and order: values in, values out. The commands are one skin on it."""
