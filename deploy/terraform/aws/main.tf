# The founding case on AWS, the same as deploy/aws/template.yaml: a bucket for evidence, a function that calls the roll by
# a schedule, and alarms that watch the function from outside.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  evidence   = "${aws_s3_bucket.this.arn}/${var.prefix}evidence/*"
  rolls      = "${aws_s3_bucket.this.arn}/${var.prefix}roll/*"
  config_key = "config/tenko.toml"
  parameters = "arn:${data.aws_partition.this.partition}:ssm:${data.aws_region.this.id}:${data.aws_caller_identity.this.account_id}:parameter"
  schedules  = "arn:${data.aws_partition.this.partition}:scheduler:${data.aws_region.this.id}:${data.aws_caller_identity.this.account_id}:schedule"
}

# -- The store ----------------------------------------------------------------------------------------------------------

resource "aws_s3_bucket" "this" {
  bucket = var.bucket_name
  tags   = var.tags

  lifecycle {
    # Evidence outlives the module.
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "evidence"
    status = "Enabled"

    filter {
      prefix = "${var.prefix}evidence/"
    }

    expiration {
      days = var.evidence_days
    }
  }

  rule {
    id     = "roll"
    status = "Enabled"

    filter {
      prefix = "${var.prefix}roll/"
    }

    expiration {
      days = var.roll_days
    }
  }

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_notification" "this" {
  bucket      = aws_s3_bucket.this.id
  eventbridge = true
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "OnlyWithTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  # A PUT that does not say If-None-Match could overwrite what is there.
  statement {
    sid       = "CreateOnly"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = [local.evidence, local.rolls]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Null"
      variable = "s3:if-none-match"
      values   = ["true"]
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket     = aws_s3_bucket.this.id
  policy     = data.aws_iam_policy_document.bucket.json
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_object" "config" {
  count  = var.config_file == null ? 0 : 1
  bucket = aws_s3_bucket.this.id
  key    = local.config_key
  source = var.config_file
  etag   = var.kms_key_arn == null ? filemd5(var.config_file) : null
}

# For every host that runs jobs: attach it to a user or to the role of the host.
data "aws_iam_policy_document" "writer" {
  statement {
    sid       = "LeaveEvidence"
    actions   = ["s3:PutObject"]
    resources = [local.evidence]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn[*]

    content {
      sid       = "EncryptIt"
      actions   = ["kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_policy" "writer" {
  name        = "${var.name}-writer"
  description = "May leave evidence for Tenko, and nothing else."
  policy      = data.aws_iam_policy_document.writer.json
  tags        = var.tags
}

# -- The function -------------------------------------------------------------------------------------------------------

resource "aws_cloudwatch_log_group" "this" {
  name              = "/tenko/${var.name}"
  retention_in_days = var.log_days
  tags              = var.tags
}

data "aws_iam_policy_document" "lambda_may_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "function" {
  name               = "${var.name}-function"
  description        = "Tenko reads evidence and keeps the roll."
  assume_role_policy = data.aws_iam_policy_document.lambda_may_assume.json
  tags               = var.tags
}

data "aws_iam_policy_document" "function" {
  statement {
    sid       = "ListEvidenceAndRolls"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this.arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${var.prefix}evidence/*", "${var.prefix}roll/*"]
    }
  }

  statement {
    sid       = "ReadEvidenceAndRolls"
    actions   = ["s3:GetObject"]
    resources = [local.evidence, local.rolls]
  }

  statement {
    sid       = "KeepTheRoll"
    actions   = ["s3:PutObject"]
    resources = [local.rolls]
  }

  statement {
    sid       = "ReadTheConfiguration"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.this.arn}/${local.config_key}"]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  statement {
    sid       = "KeepEventsOfFailedCalls"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
  }

  dynamic "statement" {
    for_each = var.checker_name[*]

    content {
      sid       = "LeaveEvidenceOfItself"
      actions   = ["s3:PutObject"]
      resources = ["${aws_s3_bucket.this.arn}/${var.prefix}evidence/*/${statement.value}/*"]
    }
  }

  dynamic "statement" {
    for_each = length(var.secret_parameters) > 0 ? [1] : []

    content {
      sid       = "ReadParameters"
      actions   = ["ssm:GetParameter"]
      resources = [for name in var.secret_parameters : "${local.parameters}${name}"]
    }
  }

  dynamic "statement" {
    for_each = length(var.plain_objects) > 0 ? [1] : []

    content {
      sid     = "LookAtPlainObjects"
      actions = ["s3:GetObject"]
      resources = flatten([
        for bucket, keys in var.plain_objects :
        [for key in keys : "arn:${data.aws_partition.this.partition}:s3:::${bucket}/${key}"]
      ])
    }
  }

  # Without it a missing object is answered with 403, and its job becomes unknown in place of down.
  dynamic "statement" {
    for_each = length(var.plain_objects) > 0 ? [1] : []

    content {
      sid       = "TellMissingFromForbidden"
      actions   = ["s3:ListBucket"]
      resources = [for bucket in keys(var.plain_objects) : "arn:${data.aws_partition.this.partition}:s3:::${bucket}"]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn[*]

    content {
      sid       = "UseTheKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }

  # One schedule of one name may be created and moved, and given to one role.
  dynamic "statement" {
    for_each = var.adaptive_wake_ups ? [1] : []

    content {
      sid       = "MoveTheNextWakeUp"
      actions   = ["scheduler:CreateSchedule", "scheduler:UpdateSchedule"]
      resources = ["${local.schedules}/${aws_scheduler_schedule_group.this.name}/wake-up"]
    }
  }

  dynamic "statement" {
    for_each = var.adaptive_wake_ups ? [1] : []

    content {
      sid       = "LetTheSchedulerCallTheRoll"
      actions   = ["iam:PassRole"]
      resources = [aws_iam_role.scheduler.arn]

      condition {
        test     = "StringEquals"
        variable = "iam:PassedToService"
        values   = ["scheduler.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role_policy" "function" {
  name   = "roll-call"
  role   = aws_iam_role.function.id
  policy = data.aws_iam_policy_document.function.json
}

resource "aws_lambda_function" "this" {
  function_name                  = var.name
  description                    = "Calls the roll."
  role                           = aws_iam_role.function.arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  memory_size                    = var.memory_size
  timeout                        = var.timeout
  reserved_concurrent_executions = var.reserved_concurrency
  filename                       = var.zip
  source_code_hash               = filebase64sha256(var.zip)
  tags                           = var.tags

  environment {
    variables = merge(
      {
        TENKO_STORE  = "s3://${aws_s3_bucket.this.id}/${var.prefix}"
        TENKO_CONFIG = "s3://${aws_s3_bucket.this.id}/${local.config_key}"
      },
      var.adaptive_wake_ups ? {
        TENKO_WAKE_UP_SCHEDULE = "wake-up"
        TENKO_WAKE_UP_GROUP    = aws_scheduler_schedule_group.this.name
        TENKO_WAKE_UP_ROLE     = aws_iam_role.scheduler.arn
      } : {}
    )
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  depends_on = [aws_iam_role_policy.function]
}

# What Lambda does with a call that failed: twice again, and then it is kept where the alarm sees it.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 3600

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters.arn
    }
  }
}

# -- When it is called --------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "scheduler_may_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name               = "${var.name}-scheduler"
  description        = "EventBridge Scheduler calls the roll."
  assume_role_policy = data.aws_iam_policy_document.scheduler_may_assume.json
  tags               = var.tags
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid       = "CallTheRoll"
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.this.arn]
  }

  statement {
    sid       = "KeepWhatCouldNotBeCalled"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
  }
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "call-the-roll"
  role   = aws_iam_role.scheduler.id
  policy = data.aws_iam_policy_document.scheduler.json
}

# Removed with the module, and with it the wake-up that the function made for itself.
resource "aws_scheduler_schedule_group" "this" {
  name = var.name
  tags = var.tags
}

resource "aws_scheduler_schedule" "this" {
  count                        = length(var.schedules)
  name                         = "roll-call-${count.index + 1}"
  group_name                   = aws_scheduler_schedule_group.this.name
  description                  = "Calls the roll."
  schedule_expression          = var.schedules[count.index]
  schedule_expression_timezone = var.time_zone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.this.arn
    role_arn = aws_iam_role.scheduler.arn
    input    = "{}"

    retry_policy {
      maximum_retry_attempts       = 5
      maximum_event_age_in_seconds = 3600
    }

    dead_letter_config {
      arn = aws_sqs_queue.dead_letters.arn
    }
  }

  depends_on = [aws_iam_role_policy.scheduler]
}

# Evidence of a failure calls the roll at once.
resource "aws_cloudwatch_event_rule" "failure" {
  name        = "${var.name}-failure"
  description = "Evidence of a failure has arrived."
  tags        = var.tags

  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [aws_s3_bucket.this.id] }
      object = { key = [{ wildcard = "${var.prefix}evidence/*.fail*.json" }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "failure" {
  rule      = aws_cloudwatch_event_rule.failure.name
  target_id = "roll-call"
  arn       = aws_lambda_function.this.arn

  retry_policy {
    maximum_retry_attempts       = 5
    maximum_event_age_in_seconds = 3600
  }

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

resource "aws_lambda_permission" "failure" {
  statement_id  = "failure"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.failure.arn
}

# -- What watches the watcher -------------------------------------------------------------------------------------------

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
  tags                      = var.tags
}

data "aws_iam_policy_document" "dead_letters" {
  statement {
    sid       = "KeepFailuresThatCouldNotCall"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.failure.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  policy    = data.aws_iam_policy_document.dead_letters.json
}

resource "aws_sns_topic" "alarms" {
  name         = "${var.name}-alarms"
  display_name = "Tenko"
  tags         = var.tags
}

resource "aws_sns_topic_subscription" "email" {
  count     = var.alarm_email == null ? 0 : 1
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_cloudwatch_metric_alarm" "fails" {
  alarm_name          = "${var.name}-roll-call-fails"
  alarm_description   = "The roll call fails. Jobs are not watched; the log group of the function says why."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "silent" {
  alarm_name          = "${var.name}-roll-call-silent"
  alarm_description   = "The roll has not been called for too long. Jobs are not watched; look at the schedules."
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = var.silent_hours
  datapoints_to_alarm = var.silent_hours
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "lost" {
  alarm_name          = "${var.name}-calls-are-lost"
  alarm_description   = "Calls of the roll were given up. The queue of dead letters holds them; purge it when all is well."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  tags                = var.tags
}
