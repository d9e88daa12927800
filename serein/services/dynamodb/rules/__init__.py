"""Pure rules and rows of DynamoDB."""
