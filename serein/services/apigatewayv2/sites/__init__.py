"""The data plane: what answers under execute-api host names."""
