output "store_url" {
  description = "The URL of the store, for tenko.toml and TENKO_STORE of the hosts that run jobs."
  value       = "s3://${aws_s3_bucket.this.id}/${var.prefix}"
}

output "config_url" {
  description = "Where the function looks for tenko.toml."
  value       = "s3://${aws_s3_bucket.this.id}/${local.config_key}"
}

output "writer_policy_arn" {
  description = "The policy for hosts that run jobs."
  value       = aws_iam_policy.writer.arn
}

output "function_name" {
  description = "The function; invoke it with {} to call the roll now."
  value       = aws_lambda_function.this.function_name
}

output "alarm_topic_arn" {
  description = "Where the alarms go."
  value       = aws_sns_topic.alarms.arn
}

output "dead_letter_queue_url" {
  description = "Calls of the roll that were given up."
  value       = aws_sqs_queue.dead_letters.id
}
