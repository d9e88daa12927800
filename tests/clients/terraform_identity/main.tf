terraform {
  required_providers { aws = { source = "hashicorp/aws", version = "5.100.0" } }
}
provider "aws" {
  region                  = "us-east-1"
  access_key              = "test"
  secret_key              = "test"
  skip_metadata_api_check = true
  skip_region_validation  = true
  endpoints {
    iam           = var.endpoint
    sts           = var.endpoint
    organizations = var.endpoint
    s3            = var.endpoint
  }
}
variable "endpoint" {}
data "aws_caller_identity" "me" {}
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}
data "aws_iam_policy_document" "read" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["*"]
  }
}
resource "aws_iam_policy" "read" {
  name        = "read"
  path        = "/team/"
  description = "d"
  policy      = data.aws_iam_policy_document.read.json
  tags        = { a = "1" }
}
resource "aws_iam_user" "bob" {
  name                 = "bob"
  path                 = "/people/"
  permissions_boundary = aws_iam_policy.read.arn
  tags                 = { a = "1" }
  force_destroy        = true
}
resource "aws_iam_user_policy" "bob" {
  name   = "inline"
  user   = aws_iam_user.bob.name
  policy = data.aws_iam_policy_document.read.json
}
resource "aws_iam_user_policy_attachment" "bob" {
  user       = aws_iam_user.bob.name
  policy_arn = aws_iam_policy.read.arn
}
resource "aws_iam_user_login_profile" "bob" {
  user = aws_iam_user.bob.name
}
resource "aws_iam_access_key" "bob" { user = aws_iam_user.bob.name }
resource "aws_iam_user_ssh_key" "bob" {
  username   = aws_iam_user.bob.name
  encoding   = "SSH"
  public_key = file("ssh.pub")
}
resource "aws_iam_signing_certificate" "bob" {
  user_name        = aws_iam_user.bob.name
  certificate_body = file("cert.pem")
}
resource "aws_iam_service_specific_credential" "bob" {
  service_name = "codecommit.amazonaws.com"
  user_name    = aws_iam_user.bob.name
}
resource "aws_iam_virtual_mfa_device" "phone" { virtual_mfa_device_name = "phone" }
resource "aws_iam_group" "team" {
  name = "team"
  path = "/g/"
}
resource "aws_iam_group_policy" "team" {
  name   = "inline"
  group  = aws_iam_group.team.name
  policy = data.aws_iam_policy_document.read.json
}
resource "aws_iam_group_policy_attachment" "team" {
  group      = aws_iam_group.team.name
  policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}
resource "aws_iam_group_membership" "team" {
  name  = "x"
  group = aws_iam_group.team.name
  users = [aws_iam_user.bob.name, aws_iam_user.al.name]
}
resource "aws_iam_user" "al" { name = "al" }
resource "aws_iam_role" "worker" {
  name                  = "worker"
  path                  = "/svc/"
  description           = "works"
  assume_role_policy    = data.aws_iam_policy_document.trust.json
  max_session_duration  = 7200
  permissions_boundary  = aws_iam_policy.read.arn
  force_detach_policies = true
  tags                  = { a = "1" }
}
resource "aws_iam_role_policy" "worker" {
  name   = "inline"
  role   = aws_iam_role.worker.id
  policy = data.aws_iam_policy_document.read.json
}
resource "aws_iam_role_policy_attachment" "worker" {
  role       = aws_iam_role.worker.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}
resource "aws_iam_role_policies_exclusive" "worker" {
  role_name    = aws_iam_role.worker.name
  policy_names = [aws_iam_role_policy.worker.name]
}
resource "aws_iam_instance_profile" "p" {
  name = "p"
  role = aws_iam_role.worker.name
  tags = { a = "1" }
}
resource "aws_iam_openid_connect_provider" "gh" {
  url             = "https://token.actions.githubusercontent.com"
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = ["6938fd4d98bab03faadb97b34396831e3780aea1"]
  tags            = { a = "1" }
}
resource "aws_iam_saml_provider" "idp" {
  name                   = "idp"
  saml_metadata_document = file("meta.xml")
  tags                   = { a = "1" }
}
resource "aws_iam_server_certificate" "web" {
  name             = "web"
  certificate_body = file("cert.pem")
  private_key      = file("key.pem")
}
resource "aws_iam_account_alias" "a" { account_alias = "my-serein" }
resource "aws_iam_account_password_policy" "p" {
  minimum_password_length        = 12
  require_numbers                = true
  require_symbols                = true
  require_lowercase_characters   = true
  require_uppercase_characters   = true
  allow_users_to_change_password = true
  max_password_age               = 90
  password_reuse_prevention      = 5
}
resource "aws_iam_service_linked_role" "asg" {
  aws_service_name = "autoscaling.amazonaws.com"
  custom_suffix    = "x"
  description      = "d"
}
resource "aws_iam_policy_attachment" "all" {
  name       = "all"
  users      = [aws_iam_user.al.name]
  roles      = []
  groups     = []
  policy_arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
}
resource "aws_iam_security_token_service_preferences" "p" { global_endpoint_token_version = "v2Token" }
resource "aws_organizations_organization" "org" {
  aws_service_access_principals = ["config.amazonaws.com", "iam.amazonaws.com"]
  enabled_policy_types          = ["SERVICE_CONTROL_POLICY", "TAG_POLICY"]
  feature_set                   = "ALL"
}
resource "aws_iam_organizations_features" "f" {
  enabled_features = ["RootCredentialsManagement", "RootSessions"]
  depends_on       = [aws_organizations_organization.org]
}
resource "aws_organizations_organizational_unit" "team" {
  name      = "team"
  parent_id = aws_organizations_organization.org.roots[0].id
  tags      = { a = "1" }
}
resource "aws_organizations_account" "dev" {
  name              = "dev"
  email             = "dev@example.com"
  parent_id         = aws_organizations_organizational_unit.team.id
  close_on_deletion = false
  tags              = { a = "1" }
}
resource "aws_organizations_policy" "scp" {
  name       = "scp"
  content    = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Deny", Action = "ec2:*", Resource = "*" }] })
  type       = "SERVICE_CONTROL_POLICY"
  tags       = { a = "1" }
  depends_on = [aws_organizations_organization.org]
}
resource "aws_organizations_policy_attachment" "scp" {
  policy_id = aws_organizations_policy.scp.id
  target_id = aws_organizations_organizational_unit.team.id
}
resource "aws_organizations_delegated_administrator" "d" {
  account_id        = aws_organizations_account.dev.id
  service_principal = "config.amazonaws.com"
}
resource "aws_organizations_resource_policy" "rp" {
  content    = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = { AWS = "arn:aws:iam::222222222222:root" }, Action = "organizations:ListAccounts", Resource = "*" }] })
  depends_on = [aws_organizations_organization.org]
}
data "aws_organizations_organization" "o" { depends_on = [aws_organizations_account.dev] }
data "aws_iam_policy" "admin" { name = "AdministratorAccess" }
data "aws_iam_roles" "all" { depends_on = [aws_iam_role.worker] }
data "aws_iam_users" "all" { depends_on = [aws_iam_user.bob] }
data "aws_iam_session_context" "c" { arn = data.aws_caller_identity.me.arn }
data "aws_iam_principal_policy_simulation" "s" {
  action_names      = ["s3:GetObject"]
  policy_source_arn = aws_iam_user.bob.arn
  depends_on        = [aws_iam_user_policy.bob]
}
data "aws_iam_instance_profiles" "i" {
  role_name  = aws_iam_role.worker.name
  depends_on = [aws_iam_instance_profile.p]
}
output "sim" { value = data.aws_iam_principal_policy_simulation.s.all_allowed }
