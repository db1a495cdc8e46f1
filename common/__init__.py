"""What the Lambda, the task and the API share: standard library, boto3 and PyMySQL only."""
