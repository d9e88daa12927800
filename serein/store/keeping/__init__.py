"""Keeping what a store holds: copies to another store, snapshots and branches on one machine, backups elsewhere, checks."""
