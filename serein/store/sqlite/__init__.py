"""The sqlite engine: one directory, one process, write-ahead log, group commit."""
