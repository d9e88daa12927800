"""The PostgreSQL engine: one database, any number of nodes, serialisable transactions, LISTEN/NOTIFY between nodes."""
