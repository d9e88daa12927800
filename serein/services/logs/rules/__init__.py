"""Pure rules of logs."""
