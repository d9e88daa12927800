"""What queues do by themselves."""
