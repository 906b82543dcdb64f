variable "name" {
  description = "What everything but the bucket is called."
  type        = string
  default     = "tenko"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,40}$", var.name))
    error_message = "Lower-case letters, digits and hyphens, at most 41."
  }
}

variable "bucket_name" {
  description = "The name of the bucket that is created."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "prefix" {
  description = "What all keys of the store begin with: empty, or text that ends in a slash, such as prod/."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^[A-Za-z0-9_-][A-Za-z0-9_./-]{0,99}/$", var.prefix))
    error_message = "Nothing, or letters, digits, _ . - and / that end in a slash."
  }
}

variable "zip" {
  description = "The zip of the function on this machine. It contains one file, bootstrap."
  type        = string
}

variable "architecture" {
  description = "For which processor the zip was built: arm64 or x86_64. arm64 costs a fifth less."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "arm64 or x86_64."
  }
}

variable "memory_size" {
  description = "Memory of the function in MB. Processor time grows with it."
  type        = number
  default     = 128
}

variable "timeout" {
  description = "After how many seconds a roll call is cut off."
  type        = number
  default     = 60

  validation {
    condition     = var.timeout >= 20 && var.timeout <= 900
    error_message = "20 to 900."
  }
}

variable "reserved_concurrency" {
  description = "How many roll calls may run at once; -1 sets no limit."
  type        = number
  default     = -1
}

variable "schedules" {
  description = "When the roll is called, as EventBridge Scheduler writes it."
  type        = list(string)
  default     = ["rate(1 hour)"]

  validation {
    condition = length(var.schedules) >= 1 && alltrue([
      for schedule in var.schedules :
      can(regex("^(cron\\(\\S+ \\S+ \\S+ \\S+ \\S+ \\S+\\)|rate\\([1-9][0-9]* (minutes?|hours?|days?)\\))$", schedule))
    ])
    error_message = "cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR) or rate(N minutes|hours|days), at least one."
  }
}

variable "time_zone" {
  description = "In which zone (IANA name) the schedules are read, such as Asia/Tokyo."
  type        = string
  default     = "UTC"
}

variable "adaptive_wake_ups" {
  description = "Whether the function may move its own next wake-up (adaptive = true in tenko.toml)."
  type        = bool
  default     = false
}

variable "evidence_days" {
  description = "After how many days evidence is removed. It is also how far back tenko log can look."
  type        = number
  default     = 100

  validation {
    condition     = var.evidence_days >= 2
    error_message = "At least 2."
  }
}

variable "roll_days" {
  description = "After how many days a roll is removed. The newest must outlive the longest time without a roll call."
  type        = number
  default     = 14

  validation {
    condition     = var.roll_days >= 2
    error_message = "At least 2."
  }
}

variable "kms_key_arn" {
  description = "The key in KMS that encrypts the bucket. Null means SSE-S3, which costs nothing."
  type        = string
  default     = null
}

variable "config_file" {
  description = "A tenko.toml on this machine, which is put into the bucket as config/tenko.toml. Null if somebody else does."
  type        = string
  default     = null
}

variable "secret_parameters" {
  description = "The SSM parameters that tenko.toml names as ssm:/NAME."
  type        = list(string)
  default     = ["/tenko/slack"]

  validation {
    condition     = alltrue([for name in var.secret_parameters : startswith(name, "/")])
    error_message = "Names that begin with a slash."
  }
}

variable "checker_name" {
  description = "The name under [checker] in tenko.toml, if the roll call leaves evidence of itself."
  type        = string
  default     = null
}

variable "plain_objects" {
  description = "Objects in other buckets that are judged: from the bucket to patterns of keys. tenko aws policy checker prints them."
  type        = map(list(string))
  default     = {}
}

variable "alarm_email" {
  description = "Who gets the alarms. AWS sends a message that has to be confirmed first."
  type        = string
  default     = null
}

variable "silent_hours" {
  description = "After how many hours without a roll call there is an alarm; one more than the longest time between two."
  type        = number
  default     = 3

  validation {
    condition     = var.silent_hours >= 1 && var.silent_hours <= 168
    error_message = "1 to 168: CloudWatch looks back seven days."
  }
}

variable "log_days" {
  description = "How many days the logs of the function are kept."
  type        = number
  default     = 30
}

variable "tags" {
  description = "Tags of everything that can have some."
  type        = map(string)
  default     = {}
}
