"""IAM's rules that need no store: names, quotas, ids, policy documents."""
