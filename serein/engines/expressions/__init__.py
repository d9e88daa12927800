"""DynamoDB's expression languages and values: pure, on items in wire JSON form."""
