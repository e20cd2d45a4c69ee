"""What people can ask and order: values in, values out. Commands, API and console are skins on it."""
