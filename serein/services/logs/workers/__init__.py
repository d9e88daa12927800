"""What goes on by itself in logs."""
