"""What SQS is asked to do, a file per noun."""
