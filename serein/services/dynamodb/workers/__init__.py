"""What DynamoDB does by itself."""
