"""DynamoDB's operations, a file per noun."""
