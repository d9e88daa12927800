"""What one decision costs: `python benchmarks/policy.py`. A role with 15 statements, warm, in microseconds."""

from __future__ import annotations

from time import perf_counter

from serein.engines.policy import Policy, Request, decide, parse_policy

ROUNDS = 100_000


def role_policies() -> list[Policy]:
    """Three policies of five statements each, as a function's role has them."""
    services = ["dynamodb", "sqs", "kinesis", "logs", "lambda"]
    return [
        parse_policy(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": f"{service}{index}",
                        "Effect": "Allow",
                        "Action": [f"{service}:Get*", f"{service}:Put*", f"{service}:List*"],
                        "Resource": f"arn:aws:{service}:us-east-1:123456789012:thing/{index}-*",
                    }
                    for service in services
                ],
            },
            "identity",
            name=f"policy-{index}",
        )
        for index in range(3)
    ]


def with_condition() -> Policy:
    """A statement that asks for a tag and an address."""
    return parse_policy(
        {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Action": "dynamodb:GetItem",
                "Resource": "arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/team}-*",
                "Condition": {
                    "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
                    "StringEquals": {"aws:PrincipalTag/team": ["red", "blue"]},
                },
            },
        },
        "identity",
    )


def measure(name: str, request: Request, policies: list[Policy]) -> None:
    """Print the mean of a warm decision."""
    assert decide(request, policies).allowed
    best = float("inf")
    for _ in range(5):
        begun = perf_counter()
        for _ in range(ROUNDS // 5):
            decide(request, policies)
        best = min(best, (perf_counter() - begun) / (ROUNDS // 5))
    print(f"{name:40} {best * 1e6:6.2f} µs")


def main() -> None:
    role = "arn:aws:iam::123456789012:role/worker"
    context = {"aws:sourceip": ("10.1.2.3",), "aws:principaltag/team": ("red",)}

    def ask(resource: str) -> Request:
        return Request(
            action="dynamodb:GetItem",
            resource=resource,
            kind="role",
            arn="arn:aws:sts::123456789012:assumed-role/worker/session",
            account="123456789012",
            role_arn=role,
            context=context.get,
        )

    near = ask("arn:aws:dynamodb:us-east-1:123456789012:thing/0-orders")
    far = ask("arn:aws:dynamodb:us-east-1:123456789012:thing/2-orders")
    table = ask("arn:aws:dynamodb:us-east-1:123456789012:table/red-orders")
    measure("15 statements, first policy allows", near, role_policies())
    measure("15 statements, last policy allows", far, role_policies())
    measure("variable, tag and address conditions", table, [with_condition()])
    begun = perf_counter()
    for _ in range(200):
        role_policies()
    print(f"{'compiling 15 statements':40} {(perf_counter() - begun) / 200 * 1e6:6.0f} µs")


if __name__ == "__main__":
    main()
