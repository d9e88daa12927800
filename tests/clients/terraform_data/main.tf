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
  s3_use_path_style           = true
  endpoints {
    applicationautoscaling = var.endpoint
    dynamodb               = var.endpoint
    iam                    = var.endpoint
    lambda                 = var.endpoint
    logs                   = var.endpoint
    s3                     = var.endpoint
    sts                    = var.endpoint
  }
}
data "aws_caller_identity" "me" {}
resource "aws_s3_bucket" "exports" {
  bucket        = "terraform-exports"
  force_destroy = true
}
resource "aws_dynamodb_table" "full" {
  name                        = "full"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  table_class                 = "STANDARD_INFREQUENT_ACCESS"
  deletion_protection_enabled = false
  attribute {
    name = "pk"
    type = "S"
  }
  attribute {
    name = "sk"
    type = "N"
  }
  attribute {
    name = "at"
    type = "N"
  }
  attribute {
    name = "bin"
    type = "B"
  }
  local_secondary_index {
    name            = "by-at"
    range_key       = "at"
    projection_type = "KEYS_ONLY"
  }
  global_secondary_index {
    name               = "by-bin"
    hash_key           = "bin"
    range_key          = "at"
    projection_type    = "INCLUDE"
    non_key_attributes = ["title"]
  }
  ttl {
    attribute_name = "expires"
    enabled        = true
  }
  point_in_time_recovery {
    enabled                 = true
    recovery_period_in_days = 20
  }
  on_demand_throughput {
    max_read_request_units  = 100
    max_write_request_units = 50
  }
  server_side_encryption { enabled = false }
  tags = { team = "red" }
}
resource "aws_dynamodb_table_item" "one" {
  table_name = aws_dynamodb_table.full.name
  hash_key   = aws_dynamodb_table.full.hash_key
  range_key  = aws_dynamodb_table.full.range_key
  item = jsonencode({
    pk    = { S = "a" }
    sk    = { N = "1" }
    title = { S = "one" }
    m     = { M = { l = { L = [{ N = "1.5" }, { BOOL = true }, { NULL = true }] } } }
    ss    = { SS = ["x", "y"] }
  })
}
resource "aws_dynamodb_resource_policy" "full" {
  resource_arn = aws_dynamodb_table.full.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Read"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" }
      Action    = ["dynamodb:GetItem", "dynamodb:Query"]
      Resource  = aws_dynamodb_table.full.arn
    }]
  })
}
resource "aws_dynamodb_contributor_insights" "full" {
  table_name = aws_dynamodb_table.full.name
}
resource "aws_dynamodb_contributor_insights" "index" {
  table_name = aws_dynamodb_table.full.name
  index_name = "by-bin"
}
resource "aws_dynamodb_table_export" "full" {
  table_arn     = aws_dynamodb_table.full.arn
  s3_bucket     = aws_s3_bucket.exports.id
  s3_prefix     = "out"
  export_format = "DYNAMODB_JSON"
  depends_on    = [aws_dynamodb_table_item.one]
}
resource "aws_dynamodb_table" "global" {
  name             = "global"
  billing_mode     = "PAY_PER_REQUEST"
  hash_key         = "pk"
  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"
  attribute {
    name = "pk"
    type = "S"
  }
  replica {
    region_name            = "eu-west-1"
    point_in_time_recovery = true
    propagate_tags         = true
  }
  tags = { team = "red" }
}
resource "aws_dynamodb_table" "plain" {
  name           = "plain"
  read_capacity  = 5
  write_capacity = 5
  hash_key       = "pk"
  attribute {
    name = "pk"
    type = "S"
  }
  lifecycle { ignore_changes = [read_capacity] }
}
resource "aws_appautoscaling_target" "read" {
  max_capacity       = 100
  min_capacity       = 5
  resource_id        = "table/${aws_dynamodb_table.plain.name}"
  scalable_dimension = "dynamodb:table:ReadCapacityUnits"
  service_namespace  = "dynamodb"
  tags               = { a = "1" }
}
resource "aws_appautoscaling_policy" "read" {
  name               = "read:${aws_appautoscaling_target.read.resource_id}"
  policy_type        = "TargetTrackingScaling"
  resource_id        = aws_appautoscaling_target.read.resource_id
  scalable_dimension = aws_appautoscaling_target.read.scalable_dimension
  service_namespace  = aws_appautoscaling_target.read.service_namespace
  target_tracking_scaling_policy_configuration {
    predefined_metric_specification {
      predefined_metric_type = "DynamoDBReadCapacityUtilization"
    }
    target_value       = 70
    scale_in_cooldown  = 60
    scale_out_cooldown = 60
  }
}
resource "aws_appautoscaling_scheduled_action" "night" {
  name               = "night"
  service_namespace  = aws_appautoscaling_target.read.service_namespace
  resource_id        = aws_appautoscaling_target.read.resource_id
  scalable_dimension = aws_appautoscaling_target.read.scalable_dimension
  schedule           = "cron(0 22 * * ? *)"
  timezone           = "Europe/Berlin"
  scalable_target_action {
    min_capacity = 5
    max_capacity = 10
  }
}
resource "aws_s3_object" "import" {
  bucket  = aws_s3_bucket.exports.id
  key     = "in/items.csv"
  content = "pk,title\na,one\nb,two\n"
}
resource "aws_dynamodb_table" "imported" {
  name           = "imported"
  read_capacity  = 5
  write_capacity = 5
  hash_key       = "pk"
  attribute {
    name = "pk"
    type = "S"
  }
  import_table {
    input_format = "CSV"
    s3_bucket_source {
      bucket     = aws_s3_bucket.exports.id
      key_prefix = "in/"
    }
    input_format_options {
      csv { delimiter = "," }
    }
  }
  depends_on = [aws_s3_object.import]
}
data "aws_dynamodb_table" "full" { name = aws_dynamodb_table.full.name }
data "aws_dynamodb_tables" "all" { depends_on = [aws_dynamodb_table.full] }
data "aws_dynamodb_table_item" "one" {
  table_name = aws_dynamodb_table.full.name
  key        = jsonencode({ pk = { S = "a" }, sk = { N = "1" } })
  depends_on = [aws_dynamodb_table_item.one]
}
resource "aws_iam_role" "function" {
  name = "fn"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}
resource "aws_iam_role_policy" "function" {
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["sqs:*", "dynamodb:*", "logs:*", "lambda:InvokeFunction"], Resource = "*" },
    ]
  })
}
resource "aws_lambda_layer_version" "lib" {
  layer_name               = "lib"
  filename                 = "layer.zip"
  source_code_hash         = filebase64sha256("layer.zip")
  compatible_runtimes      = ["python3.12", "python3.13"]
  compatible_architectures = ["x86_64"]
  description              = "d"
  license_info             = "MIT"
}
resource "aws_lambda_layer_version_permission" "lib" {
  layer_name     = aws_lambda_layer_version.lib.layer_name
  version_number = aws_lambda_layer_version.lib.version
  statement_id   = "dev"
  action         = "lambda:GetLayerVersion"
  principal      = "222222222222"
}
resource "aws_lambda_code_signing_config" "trusted" {
  description = "d"
  allowed_publishers {
    signing_profile_version_arns = ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/abcdefghij"]
  }
  policies { untrusted_artifact_on_deployment = "Warn" }
  tags = { a = "1" }
}
resource "aws_cloudwatch_log_group" "fn" { name = "/custom/fn" }
resource "aws_lambda_function" "fn" {
  function_name                  = "fn"
  description                    = "d"
  role                           = aws_iam_role.function.arn
  runtime                        = "python3.12"
  handler                        = "app.handler"
  filename                       = var.package
  source_code_hash               = filebase64sha256(var.package)
  publish                        = true
  memory_size                    = 256
  timeout                        = 10
  reserved_concurrent_executions = 20
  layers                         = [aws_lambda_layer_version.lib.arn]
  code_signing_config_arn        = aws_lambda_code_signing_config.trusted.arn
  architectures                  = ["x86_64"]
  ephemeral_storage { size = 1024 }
  environment { variables = { STAGE = "1" } }
  tracing_config { mode = "Active" }
  logging_config {
    log_format            = "JSON"
    application_log_level = "DEBUG"
    system_log_level      = "WARN"
    log_group             = aws_cloudwatch_log_group.fn.name
  }
  tags       = { a = "1" }
  depends_on = [aws_iam_role_policy.function]
}
resource "aws_lambda_function" "snap" {
  function_name = "snap"
  role          = aws_iam_role.function.arn
  runtime       = "python3.12"
  handler       = "app.handler"
  filename      = var.package
  publish       = true
  snap_start { apply_on = "PublishedVersions" }
}
resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.fn.arn
  function_version = aws_lambda_function.fn.version
  description      = "d"
}
resource "aws_lambda_permission" "s3" {
  statement_id   = "s3"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.fn.function_name
  qualifier      = aws_lambda_alias.live.name
  principal      = "s3.amazonaws.com"
  source_account = "000000000000"
  source_arn     = "arn:aws:s3:::bucket"
}
resource "aws_lambda_permission" "url" {
  statement_id_prefix    = "url"
  action                 = "lambda:InvokeFunctionUrl"
  function_name          = aws_lambda_function.fn.function_name
  principal              = "*"
  function_url_auth_type = "NONE"
}
resource "aws_lambda_function_url" "fn" {
  function_name      = aws_lambda_function.fn.function_name
  authorization_type = "NONE"
  invoke_mode        = "RESPONSE_STREAM"
  cors {
    allow_credentials = true
    allow_origins     = ["https://example.com"]
    allow_methods     = ["*"]
    allow_headers     = ["date", "keep-alive"]
    expose_headers    = ["keep-alive", "date"]
    max_age           = 86400
  }
}
resource "aws_lambda_function_url" "live" {
  function_name      = aws_lambda_function.fn.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "AWS_IAM"
}
resource "aws_lambda_event_source_mapping" "stream" {
  event_source_arn               = aws_dynamodb_table.full.stream_arn
  function_name                  = aws_lambda_alias.live.arn
  starting_position              = "TRIM_HORIZON"
  batch_size                     = 10
  bisect_batch_on_function_error = true
  maximum_retry_attempts         = 3
  maximum_record_age_in_seconds  = 3600
  parallelization_factor         = 2
  tumbling_window_in_seconds     = 30
  filter_criteria {
    filter { pattern = jsonencode({ eventName = ["INSERT"] }) }
  }
  tags = { a = "1" }
  destination_config {
    on_failure { destination_arn = "arn:aws:sqs:us-east-1:${data.aws_caller_identity.me.account_id}:jobs" }
  }
  depends_on = [aws_iam_role_policy.function]
}
resource "aws_lambda_function_event_invoke_config" "fn" {
  function_name                = aws_lambda_function.fn.function_name
  qualifier                    = aws_lambda_alias.live.name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
  destination_config {
    on_failure { destination = aws_lambda_function.snap.arn }
    on_success { destination = aws_lambda_function.snap.arn }
  }
}
resource "aws_lambda_provisioned_concurrency_config" "live" {
  function_name                     = aws_lambda_function.fn.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = 2
}
resource "aws_lambda_function_recursion_config" "fn" {
  function_name  = aws_lambda_function.fn.function_name
  recursive_loop = "Allow"
}
resource "aws_lambda_runtime_management_config" "fn" {
  function_name     = aws_lambda_function.fn.function_name
  update_runtime_on = "FunctionUpdate"
}
resource "aws_lambda_invocation" "once" {
  function_name = aws_lambda_function.fn.function_name
  input         = jsonencode({ a = 1 })
}
data "aws_lambda_function" "fn" {
  function_name = aws_lambda_function.fn.function_name
  qualifier     = aws_lambda_alias.live.name
}
data "aws_lambda_alias" "live" {
  function_name = aws_lambda_function.fn.function_name
  name          = aws_lambda_alias.live.name
}
data "aws_lambda_layer_version" "lib" { layer_name = aws_lambda_layer_version.lib.layer_name }
data "aws_lambda_functions" "all" { depends_on = [aws_lambda_function.fn] }
data "aws_lambda_code_signing_config" "c" { arn = aws_lambda_code_signing_config.trusted.arn }
data "aws_lambda_function_url" "u" { function_name = aws_lambda_function_url.fn.function_name }
output "said" { value = aws_lambda_invocation.once.result }
output "url" { value = aws_lambda_function_url.fn.function_url }
