terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
variable "endpoint" {}
variable "package" {}
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  endpoints {
    ecr    = var.endpoint
    iam    = var.endpoint
    lambda = var.endpoint
    logs   = var.endpoint
    sts    = var.endpoint
  }
}
resource "aws_ecr_repository" "app" {
  name                 = "team/app"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true
  image_scanning_configuration { scan_on_push = true }
  encryption_configuration { encryption_type = "AES256" }
  tags = { team = "a" }
}
resource "aws_ecr_repository_policy" "app" {
  repository = aws_ecr_repository.app.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Pull"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    }]
  })
}
resource "aws_ecr_lifecycle_policy" "app" {
  repository = aws_ecr_repository.app.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "keep ten"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 10 }
      action       = { type = "expire" }
    }]
  })
}
resource "aws_ecr_registry_policy" "all" {
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "R", Effect = "Allow", Principal = { AWS = "000000000000" }, Action = ["ecr:ReplicateImage"], Resource = ["*"] }]
  })
}
resource "aws_ecr_repository_creation_template" "auto" {
  prefix               = "auto"
  applied_for          = ["PULL_THROUGH_CACHE"]
  image_tag_mutability = "MUTABLE"
}
resource "aws_ecr_account_setting" "mounting" {
  name  = "BASIC_SCAN_TYPE_VERSION"
  value = "AWS_NATIVE"
}
data "aws_ecr_image" "app" {
  repository_name = aws_ecr_repository.app.name
  image_tag       = "v1"
}
data "aws_ecr_authorization_token" "token" {}
resource "aws_iam_role" "f" {
  name = "f"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}
resource "aws_lambda_function" "f" {
  function_name = "f"
  role          = aws_iam_role.f.arn
  package_type  = "Image"
  image_uri     = "${aws_ecr_repository.app.repository_url}@${data.aws_ecr_image.app.image_digest}"
  image_config { command = ["app.handler"] }
  depends_on = [aws_ecr_repository_policy.app]
}
output "digest" { value = data.aws_ecr_image.app.image_digest }
