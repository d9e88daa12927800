"""Pure rules of Application Auto Scaling."""
