"""Pure rules of CloudFormation's API."""
