"""What the API answers, request by request, as gabbi's YAML has it."""
