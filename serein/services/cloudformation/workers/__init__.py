"""What goes on by itself: deployments, driven step by step."""
