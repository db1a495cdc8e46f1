"""The cloud on this machine: AWS emulated on 127.0.0.1, with our real processes in it.

    python -m local.cloud --folder .demo/cloud     one process; `client.py` starts and drives it

Real are: the bundle of the functions in AWS's own runtime client, the task's process with the
template's command, environment and role, the service's processes behind a load balancer that
deploys them anew (`service.py`), every HTTP call, every signal. What differs from AWS:

- S3, DynamoDB, SNS, SQS and Secrets Manager are moto's: no limits, no delays, no checksums of its
  own; one call at a time, since its transactions are not atomic otherwise. Errors, throttling, cut
  connections and damaged bytes come on command (`faults.py`).
- No permissions are asked for: each call is recorded with its role, and tests/permissions holds
  the record against the policies.
- Roles have static keys (the role's logical id), not temporary ones from a metadata endpoint.
- A task starts at once, on this machine's Python and files instead of the image; `/tmp` is a folder
  of its own, nothing is read-only, memory is not limited. `make test-image` runs the image.
- A service keeps 100 % of its tasks healthy and has at most 200 %, whatever it is configured; it is
  scaled by UpdateService alone. Its tasks share one address, so each has a port of its own, which
  `networkBindings` tells; its words must name the container's port. A service whose container has
  no port runs nothing, and its deployments are complete at once.
- The load balancer is one for a service, without listeners and rules; the target group's path is
  all that is read of it. A health check is passed at the first 200.
- Time-outs and the pauses of ECS and Lambda are shorter where an option says so (`health.py` for
  those of services); an environment of a function is not frozen between two events.
- There is no network: subnets and security groups are checked for their form alone.
- Only the database's address, CA and credential are replaced; IAM tokens cannot be, so the password
  comes by Secrets Manager.
"""
