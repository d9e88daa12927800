terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }
variable "package" { type = string }

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
  endpoints {
    apigatewayv2 = var.endpoint
    dynamodb     = var.endpoint
    iam          = var.endpoint
    lambda       = var.endpoint
    logs         = var.endpoint
    s3           = var.endpoint
    sqs          = var.endpoint
    sts          = var.endpoint
  }
}

data "aws_caller_identity" "me" {}

resource "aws_s3_bucket" "files" {
  bucket = "terraform-files"
  tags   = { team = "red" }
}

resource "aws_s3_bucket_versioning" "files" {
  bucket = aws_s3_bucket.files.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_object" "hello" {
  bucket  = aws_s3_bucket.files.id
  key     = "hello.txt"
  content = "hello"
}

resource "aws_sqs_queue" "dead" {
  name = "terraform-dead"
}

# The provider watches each new queue for 25 s, and another 25 s for a policy of its own; so both queues are
# made side by side (the function's log group is there before `jobs` begins, and `dead` was asked for by then).
resource "aws_sqs_queue" "jobs" {
  name                       = "terraform-jobs"
  visibility_timeout_seconds = 60
  redrive_policy = jsonencode({
    deadLetterTargetArn = "arn:aws:sqs:us-east-1:${data.aws_caller_identity.me.account_id}:terraform-dead"
    maxReceiveCount     = 3
  })
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:us-east-1:${data.aws_caller_identity.me.account_id}:terraform-jobs"
      Condition = { ArnLike = { "aws:SourceArn" = aws_s3_bucket.files.arn } }
    }]
  })
  tags       = { team = "red" }
  depends_on = [aws_cloudwatch_log_group.function]
}

resource "aws_s3_bucket_notification" "files" {
  bucket = aws_s3_bucket.files.id
  queue {
    queue_arn     = aws_sqs_queue.jobs.arn
    events        = ["s3:ObjectCreated:*"]
    filter_suffix = ".jpg"
  }
}

resource "aws_dynamodb_table" "todos" {
  name         = "terraform-todos"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "owner"
  range_key    = "id"
  attribute {
    name = "owner"
    type = "S"
  }
  attribute {
    name = "id"
    type = "S"
  }
  attribute {
    name = "due"
    type = "N"
  }
  global_secondary_index {
    name            = "by-due"
    hash_key        = "owner"
    range_key       = "due"
    projection_type = "ALL"
  }
  ttl {
    attribute_name = "expires"
    enabled        = true
  }
  tags = { team = "red" }
}

resource "aws_iam_role" "function" {
  name = "terraform-function"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  name = "table"
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "dynamodb:*", Resource = aws_dynamodb_table.todos.arn },
      { Effect = "Allow", Action = "sqs:*", Resource = aws_sqs_queue.dead.arn },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/terraform-hello"
  retention_in_days = 14
}

resource "aws_lambda_function" "hello" {
  function_name    = "terraform-hello"
  role             = aws_iam_role.function.arn
  runtime          = "python3.12"
  handler          = "app.handler"
  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  environment {
    variables = { TABLE = aws_dynamodb_table.todos.name }
  }
}

resource "aws_lambda_event_source_mapping" "jobs" {
  event_source_arn = aws_sqs_queue.dead.arn
  function_name    = aws_lambda_function.hello.arn
  enabled          = false
  depends_on       = [aws_iam_role_policy.function]
}

resource "aws_apigatewayv2_api" "api" {
  name          = "terraform-api"
  protocol_type = "HTTP"
  cors_configuration {
    allow_origins = ["*"]
    allow_methods = ["GET"]
  }
}

resource "aws_apigatewayv2_integration" "hello" {
  api_id                 = aws_apigatewayv2_api.api.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.hello.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "hello" {
  api_id    = aws_apigatewayv2_api.api.id
  route_key = "GET /hello"
  target    = "integrations/${aws_apigatewayv2_integration.hello.id}"
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.api.id
  name        = "$default"
  auto_deploy = true
}

resource "aws_lambda_permission" "api" {
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.hello.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.api.execution_arn}/*/*"
}

output "api" { value = aws_apigatewayv2_api.api.id }
