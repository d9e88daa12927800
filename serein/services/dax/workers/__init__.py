"""What DAX does by itself: it listens for clients and answers them. Imported at the first cluster (see `__init__.py`)."""
