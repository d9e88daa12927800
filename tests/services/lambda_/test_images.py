"""Functions made of container images. https://docs.aws.amazon.com/lambda/latest/dg/images-create.html"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud import Cloud
from tests.oci import MANIFEST, Image, archive, descriptor, entry, folder_of, push_by_api

# A runtime in C: the smallest image there can be holds nothing but it.
RUNTIME = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char answer[1 << 16];

static int ask(const char *text) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9001)};
    inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    int s = socket(AF_INET, SOCK_STREAM, 0), n = 0, r;
    if (connect(s, (void *)&at, sizeof at)) exit(3);
    write(s, text, strlen(text));
    while ((r = read(s, answer + n, sizeof answer - 1 - n)) > 0) n += r;
    answer[n] = 0;
    close(s);
    return n;
}

static const char *try_write(const char *path) {
    FILE *f = fopen(path, "w");
    if (!f) return "no";
    fclose(f);
    return "yes";
}

int main(int argc, char **argv) {
    static char id[64], out[1 << 15], request[1 << 16], cwd[256];
    for (;;) {
        ask("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        char *found = strcasestr(answer, "lambda-runtime-aws-request-id:");
        sscanf(found + 30, " %60[0-9a-f-]", id);
        char *event = strstr(answer, "\r\n\r\n") + 4;
        if (strstr(event, "exit")) exit(7);
        snprintf(out, sizeof out,
            "{\"event\":%s,\"argv0\":\"%s\",\"arg\":\"%s\",\"cwd\":\"%s\",\"env\":\"%s\",\"handler\":\"%s\","
            "\"execution\":\"%s\",\"uid\":%d,\"root\":\"%s\",\"tmp\":\"%s\",\"host\":\"%s\"}",
            event, argv[0], argc > 1 ? argv[1] : "", getcwd(cwd, sizeof cwd), getenv("GREETING"),
            getenv("_HANDLER"), getenv("AWS_EXECUTION_ENV"), (int)getuid(), try_write("/attack"),
            try_write("/tmp/own"), access("/usr/bin/env", F_OK) ? "no" : "yes");
        snprintf(request, sizeof request,
            "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "Content-Length: %zu\r\n\r\n%s", id, strlen(out), out);
        ask(request);
    }
}
"""
HOST = "000000000000.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The runtime, as one static program."""
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler is installed")
    folder = tmp_path_factory.mktemp("program")
    source = folder / "runtime.c"
    source.write_text("#define _GNU_SOURCE\n" + RUNTIME)
    command = ["gcc", "-static", "-Os", "-w", "-o", str(folder / "runtime"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no static program can be made: {done.stderr[-200:]}")
    return Path(folder, "runtime").read_bytes()


@pytest.fixture
def ecr(cloud: Cloud) -> Any:
    """A client of ECR, with a repository."""
    made = cloud.client("ecr")
    made.create_repository(repositoryName="app")
    return made


@pytest.fixture
def image(program: bytes) -> Image:
    """An image with the runtime, an entry point, a command, a folder and a variable."""
    config = {
        "Entrypoint": ["/runtime"],
        "Cmd": ["app.handler"],
        "WorkingDir": "/srv/app",
        "Env": ["GREETING=hello", "PATH=/own"],
        "User": "nobody",
    }
    layers = [
        folder_of({"runtime": program}, executable=["runtime"]),
        folder_of({"srv/app/x": b""}),
    ]
    return Image(layers, config)


Deploy = Callable[..., dict[str, Any]]


@pytest.fixture
def deploy(cloud: Cloud, ecr: Any, role: str, image: Image) -> Deploy:
    """Push the image (or another) and make the function `f` of it."""

    def make(pushed: Image = image, uri: str = f"{HOST}/app:v1", **given: Any) -> dict[str, Any]:
        push_by_api(ecr, "app", pushed, "v1")
        made: dict[str, Any] = cloud.client("lambda").create_function(
            FunctionName="f", PackageType="Image", Code={"ImageUri": uri}, Role=role, **given
        )
        return made

    return make


def call(awslambda: Any, event: Any, **given: Any) -> Any:
    answer = awslambda.invoke(FunctionName="f", Payload=json.dumps(event), **given)
    return json.loads(answer["Payload"].read())


def needs_sandbox(cloud: Cloud) -> None:
    isolation = cloud.house.functions.isolation
    if isolation.standing != "sandboxed":
        pytest.skip(f"no sandboxes here: {isolation.reasons}")


def refused(caught: Any) -> tuple[str, str]:
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_it_is_shown_as_an_image(awslambda: Any, deploy: Deploy, image: Image):
    made = deploy()
    assert (made["PackageType"], made["CodeSize"]) == ("Image", 0)
    # The digest of the image: https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html
    assert made["CodeSha256"] == image.digest.removeprefix("sha256:")
    assert not {"Runtime", "Handler", "Layers", "RuntimeVersionConfig"} & set(made)
    assert awslambda.get_function(FunctionName="f")["Code"] == {
        "RepositoryType": "ECR",
        "ImageUri": f"{HOST}/app:v1",
        "ResolvedImageUri": f"{HOST}/app@{image.digest}",
    }
    assert awslambda.get_function_configuration(FunctionName="f")["State"] == "Active"
    assert awslambda.list_functions()["Functions"][0]["PackageType"] == "Image"


def test_it_runs_as_the_image_says(cloud: Cloud, awslambda: Any, deploy: Deploy):
    deploy()
    answer = call(awslambda, {"a": 1})
    needs_sandbox(cloud)
    assert answer.pop("uid") >= 700_000  # whatever user the image names
    assert answer == {
        "event": {"a": 1},
        "argv0": "/runtime",
        "arg": "app.handler",
        "cwd": "/srv/app",
        "env": "hello",
        "handler": "app.handler",
        "execution": "AWS_Lambda_Image",
        "root": "no",
        "tmp": "yes",
        "host": "no",
    }
    failed = call(awslambda, "exit")
    assert failed["errorType"] == "Runtime.ExitError"
    assert failed["errorMessage"].endswith("Error: Runtime exited with error: exit status 7")


def test_the_function_may_say_otherwise(cloud: Cloud, awslambda: Any, deploy: Deploy):
    config = {"Command": ["other.handler"], "WorkingDirectory": "/srv"}
    made = deploy(ImageConfig=config, Environment={"Variables": {"GREETING": "own"}})
    assert made["ImageConfigResponse"] == {"ImageConfig": config}
    answer = call(awslambda, 1)
    needs_sandbox(cloud)
    assert (answer["arg"], answer["cwd"], answer["env"]) == ("other.handler", "/srv", "own")
    awslambda.update_function_configuration(FunctionName="f", ImageConfig={})
    assert call(awslambda, 1)["arg"] == "app.handler"
    assert "ImageConfigResponse" not in awslambda.get_function_configuration(FunctionName="f")


def test_a_version_keeps_its_image(
    cloud: Cloud, awslambda: Any, ecr: Any, deploy: Deploy, program: bytes
):
    deploy(Publish=True)
    second = Image(
        [folder_of({"runtime": program}, executable=["runtime"])],
        {"Entrypoint": ["/runtime", "second"]},
    )
    push_by_api(ecr, "app", second, "v2")
    awslambda.update_function_code(FunctionName="f", ImageUri=f"{HOST}/app:v2")
    ecr.delete_repository(repositoryName="app", force=True)
    # What nothing points at goes; what a function runs stays.
    cloud.run(cloud.house.sweeper.sweep(0.0))
    needs_sandbox(cloud)
    assert call(awslambda, 1)["arg"] == "second"
    assert call(awslambda, 1, Qualifier="1")["arg"] == "app.handler"
    # Nor does it need what was unpacked.
    shutil.rmtree(Path(cloud.house.functions.settings.work, "images"))
    awslambda.update_function_configuration(FunctionName="f", MemorySize=256)
    assert call(awslambda, 1)["arg"] == "second"


def test_a_tag_is_resolved_when_it_is_deployed(
    cloud: Cloud, awslambda: Any, ecr: Any, deploy: Deploy, image: Image, program: bytes
):
    deploy()
    other = Image([folder_of({"runtime": program}, executable=["runtime"])], {"Cmd": ["/runtime"]})
    push_by_api(ecr, "app", other, "v1")
    code = awslambda.get_function(FunctionName="f")["Code"]
    assert code["ResolvedImageUri"].endswith(image.digest)
    answer = awslambda.update_function_code(FunctionName="f", ImageUri=f"{HOST}/app:v1")
    assert answer["CodeSha256"] == other.digest.removeprefix("sha256:")
    assert answer["LastUpdateStatus"] == "InProgress"


@pytest.mark.parametrize(
    "uri",
    [
        f"{HOST}/app:v1",
        "000000000000.dkr.ecr.us-east-1.localhost:4566/app:v1",
        "localhost:4566/app:v1",
        "127.0.0.1:4566/app:v1",
    ],
)
def test_addresses(awslambda: Any, deploy: Deploy, uri: str):
    deploy(uri=uri)
    assert awslambda.get_function(FunctionName="f")["Code"]["ImageUri"] == uri


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (f"{HOST}/app", "is not valid. Provide a valid source image."),
        ("public.ecr.aws/lambda/python:3.12", "is not valid. Provide a valid source image."),
        (
            HOST.replace("us-east-1", "eu-west-1") + "/app:v1",
            "is not valid. Provide a valid source image.",
        ),
        (f"{HOST}/app:absent", "does not exist. Provide a valid source image."),
        (f"{HOST}/absent:v1", "does not exist. Provide a valid source image."),
        (f"{HOST}/app@sha256:{'0' * 64}", "does not exist. Provide a valid source image."),
    ],
)
def test_what_cannot_be_deployed(deploy: Deploy, uri: str, words: str):
    with pytest.raises(ClientError) as caught:
        deploy(uri=uri)
    # https://github.com/aws/aws-cdk/issues/24648 and others show the words.
    assert refused(caught) == ("InvalidParameterValueException", f"Source image {uri} {words}")


def test_an_index_is_no_functions_image(awslambda: Any, ecr: Any, role: str, image: Image):
    push_by_api(ecr, "app", image)
    index = {"schemaVersion": 2, "manifests": [descriptor(image.manifest, MANIFEST)]}
    ecr.put_image(repositoryName="app", imageManifest=json.dumps(index), imageTag="v1")
    with pytest.raises(ClientError) as caught:
        awslambda.create_function(
            FunctionName="f", PackageType="Image", Code={"ImageUri": f"{HOST}/app:v1"}, Role=role
        )
    assert refused(caught)[1] == (
        "The image manifest, config or layer media type for the source image "
        f"{HOST}/app:v1 is not supported."
    )


@pytest.mark.parametrize(
    "given",
    [
        {"Runtime": "python3.12"},
        {"Handler": "app.handler"},
        {"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]},
    ],
)
def test_what_an_image_has_no_use_for(awslambda: Any, role: str, given: dict[str, Any]):
    with pytest.raises(ClientError) as caught:
        awslambda.create_function(
            FunctionName="f",
            PackageType="Image",
            Code={"ImageUri": f"{HOST}/app:v1"},
            Role=role,
            **given,
        )
    # https://github.com/aws/aws-cdk/issues/13037 shows the words.
    assert refused(caught)[1] == (
        "Please don't provide Handler or Runtime or Layer when the intended function PackageType "
        "is Image."
    )


def test_a_kind_of_package_is_for_good(awslambda: Any, deploy: Deploy, make_function: Any):
    deploy()
    make_function("def handler(event, context): pass")
    with pytest.raises(ClientError) as caught:
        awslambda.update_function_code(FunctionName="f", ZipFile=b"x")
    # https://github.com/appleboy/lambda-action/issues/28 shows the words.
    assert refused(caught)[1] == (
        "Please provide ImageUri when updating a function with packageType Image."
    )
    with pytest.raises(ClientError) as caught:
        awslambda.update_function_code(FunctionName="echo", ImageUri=f"{HOST}/app:v1")
    # https://github.com/umihico/pythonista-chromeless/issues/19 shows the words.
    assert refused(caught)[1] == (
        "Please don't provide ImageUri when updating a function with packageType Zip."
    )


def test_lambda_lets_itself_in(ecr: Any, deploy: Deploy):
    own = {"Sid": "own", "Effect": "Deny", "Principal": "*", "Action": "ecr:DeleteRepository"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [own]})
    ecr.set_repository_policy(repositoryName="app", policyText=text)
    deploy()
    policy = json.loads(ecr.get_repository_policy(repositoryName="app")["policyText"])
    sids = [statement["Sid"] for statement in policy["Statement"]]
    # https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#configuration-images-permissions
    assert sids == ["own", "LambdaECRImageRetrievalPolicy"]


def test_who_may_not_fetch_the_image(cloud: Cloud, ecr: Any, role: str, image: Image):
    push_by_api(ecr, "app", image, "v1")
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    theirs = cloud.client(
        "lambda", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"]
    )
    allowed = ["lambda:*", "iam:PassRole"]

    def deploy_with(*more: str) -> str:
        statement = {"Effect": "Allow", "Action": [*allowed, *more], "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy)
        try:
            theirs.create_function(
                FunctionName="f",
                PackageType="Image",
                Code={"ImageUri": f"{HOST}/app:v1"},
                Role=role,
            )
        except ClientError as error:
            return str(error.response["Error"]["Message"])
        return "made"

    denied = "Lambda does not have permission to access the ECR image. Check the ECR permissions."
    assert deploy_with() == denied
    assert deploy_with("ecr:BatchGetImage") == denied
    fetching = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    assert deploy_with(*fetching) == denied
    assert deploy_with(*fetching, "ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy") == "made"


def test_an_image_of_another_account(cloud: Cloud, image: Image, ecr: Any):
    push_by_api(ecr, "app", image, "v1")
    other = cloud.client("lambda", access_key="111111111111")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = cloud.client("iam", access_key="111111111111").create_role(
        RoleName="r",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    given = {
        "FunctionName": "f",
        "PackageType": "Image",
        "Code": {"ImageUri": f"{HOST}/app:v1"},
        "Role": role,
    }
    with pytest.raises(ClientError, match="Lambda does not have permission"):
        other.create_function(**given)
    actions = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": actions},
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": actions,
            "Condition": {
                "StringLike": {"aws:sourceArn": "arn:aws:lambda:us-east-1:111111111111:function:*"}
            },
        },
    ]
    # https://repost.aws/knowledge-center/lambda-ecr-image
    policy = {"Version": "2012-10-17", "Statement": statements}
    ecr.set_repository_policy(repositoryName="app", policyText=json.dumps(policy))
    other.create_function(**given)


@pytest.mark.parametrize(
    ("config", "kind", "words"),
    [
        (
            {"Entrypoint": ["/absent"]},
            "Runtime.InvalidEntrypoint",
            "fork/exec /absent: no such file or directory",
        ),
        (
            {"Cmd": ["text"], "Env": ["PATH=/"]},
            "Runtime.InvalidEntrypoint",
            'exec: "text": executable file not found in $PATH',
        ),
        (
            {"Entrypoint": ["/strange"]},
            "Runtime.InvalidEntrypoint",
            "fork/exec /strange: exec format error",
        ),
        ({}, "Runtime.InvalidEntrypoint", "fork/exec : no such file or directory"),
        (
            {"Entrypoint": ["/strange"], "WorkingDir": "/absent"},
            "Runtime.InvalidWorkingDir",
            "chdir /absent: no such file or directory",
        ),
    ],
)
def test_what_does_not_start(
    cloud: Cloud, awslambda: Any, deploy: Deploy, config: dict[str, Any], kind: str, words: str
):
    files = {"strange": b"\x7fELF no program", "text": b"x"}
    deploy(Image([folder_of(files, executable=["strange"])], config))
    answer = call(awslambda, 1)
    needs_sandbox(cloud)
    assert answer["errorType"] == kind
    assert answer["errorMessage"].endswith(f"Error: {words}")


def test_attackers_images_are_refused(awslambda: Any, deploy: Deploy):
    from_outside = Image([_archive_with("../../../attack")])
    with pytest.raises(ClientError) as caught:
        deploy(from_outside)
    code, message = refused(caught)
    assert code == "InvalidParameterValueException"
    assert "unsafe path in the image" in message
    assert awslambda.list_functions()["Functions"] == []


def _archive_with(name: str) -> bytes:
    return archive([entry(name, b"x")])
