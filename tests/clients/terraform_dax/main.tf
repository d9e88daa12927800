terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
variable "endpoint" {}
variable "nodes" { default = 1 }
variable "ttl" { default = "60000" }
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  endpoints {
    dax = var.endpoint
    iam = var.endpoint
    sts = var.endpoint
    sns = var.endpoint
  }
}
resource "aws_iam_role" "dax" {
  name = "dax"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "dax.amazonaws.com" } }]
  })
}
resource "aws_dax_parameter_group" "quick" {
  name        = "quick"
  description = "short"
  parameters {
    name  = "query-ttl-millis"
    value = var.ttl
  }
  parameters {
    name  = "record-ttl-millis"
    value = "30000"
  }
}
resource "aws_dax_subnet_group" "inner" {
  name       = "inner"
  subnet_ids = ["subnet-0a1b2c3d", "subnet-4e5f6a7b"]
}
resource "aws_dax_cluster" "fast" {
  cluster_name                     = "fast"
  iam_role_arn                     = aws_iam_role.dax.arn
  node_type                        = "dax.r4.large"
  replication_factor               = var.nodes
  description                      = "in front of tables"
  parameter_group_name             = aws_dax_parameter_group.quick.name
  subnet_group_name                = aws_dax_subnet_group.inner.name
  security_group_ids               = ["sg-0a1b2c3d"]
  maintenance_window               = "mon:01:00-mon:02:00"
  cluster_endpoint_encryption_type = "NONE"
  server_side_encryption { enabled = true }
  tags = { team = "a" }
}
output "endpoint" { value = aws_dax_cluster.fast.configuration_endpoint }
