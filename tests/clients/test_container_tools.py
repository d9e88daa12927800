"""Container tools at the registry: skopeo, umoci, buildah, none of which needs a container engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.oci import Image, archive, digest_of, entry, folder_of, push_by_api
from tests.running import RunningSerein

pytestmark = pytest.mark.clients
ROOT = Path(__file__).parents[2]


LOOP = """#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while true; do
  wget -q -S -O /tmp/event $api/next 2>/tmp/headers
  id=$(grep -i aws-request-id /tmp/headers | awk '{print $2}' | tr -d '\\r')
  wget -q -O /dev/null --post-data "{\\"handler\\": \\"$1\\", \\"event\\": $(cat /tmp/event)}" $api/$id/response
done
"""


def needs(*names: str) -> pytest.MarkDecorator:
    absent = [name for name in names if shutil.which(name) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")


class Shop:
    """A server with a repository, and tools that are logged in to it."""

    def __init__(self, serein: RunningSerein, folder: Path) -> None:
        self.serein = serein
        self.folder = folder
        self.address = serein.endpoint.removeprefix("http://")
        self.ecr = self.client("ecr")
        self.ecr.create_repository(repositoryName="team/app")
        data = self.ecr.get_authorization_token()["authorizationData"][0]
        auth = folder / "auth.json"
        auth.write_text(json.dumps({"auths": {self.address: {"auth": data["authorizationToken"]}}}))
        (folder / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.environment = {
            **os.environ,
            "REGISTRY_AUTH_FILE": str(auth),
            "STORAGE_DRIVER": "vfs",
            "BUILDAH_ISOLATION": "chroot",
            "XDG_RUNTIME_DIR": str(folder / "run"),
        }

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.serein.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def image(self, reference: str) -> str:
        """How tools name an image of the repository."""
        return f"docker://{self.address}/team/app:{reference}"

    def call(self, name: str, uri: str, event: Any, **given: Any) -> Any:
        """What a function made of an image answers; it is made and invoked as its first use would."""
        iam, awslambda = self.client("iam"), self.client("lambda")
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        awslambda.create_function(
            FunctionName=name,
            PackageType="Image",
            Code={"ImageUri": uri},
            Role=role["Role"]["Arn"],
            Timeout=20,
            MemorySize=512,
            **given,
        )
        answer = awslambda.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
        return json.loads(answer["Payload"].read())


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    # Functions need a folder that their own /tmp does not hide.
    data = ROOT / f".container-tools-{os.getpid()}"
    try:
        with RunningSerein(data) as serein:
            yield Shop(serein, tmp_path)
    finally:
        shutil.rmtree(data, ignore_errors=True)


def layout(folder: Path, image: Image, tag: str) -> str:
    """An image as an OCI layout on disk."""
    blobs = folder / "layout" / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for content in (*image.blobs.values(), image.manifest):
        (blobs / digest_of(content).partition(":")[2]).write_bytes(content)
    (folder / "layout" / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    manifest = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": image.digest,
        "size": len(image.manifest),
        "annotations": {"org.opencontainers.image.ref.name": tag},
    }
    index = {"schemaVersion": 2, "manifests": [manifest]}
    (folder / "layout" / "index.json").write_text(json.dumps(index))
    return f"oci:{folder / 'layout'}:{tag}"


@needs("skopeo")
def test_skopeo_copies_in_and_out(shop: Shop) -> None:
    image = Image([folder_of({"a": b"1" * 100_000}), folder_of({"b": os.urandom(2_000_000)})])
    source = layout(shop.folder, image, "v1")
    insecure = "--dest-tls-verify=false"
    shop.run("skopeo", "copy", insecure, source, shop.image("v1"))
    shop.run("skopeo", "copy", insecure, "--format", "v2s2", source, shop.image("docker"))
    # A second time nothing is sent.
    shop.run("skopeo", "copy", insecure, source, shop.image("again"))
    found = json.loads(shop.run("skopeo", "inspect", "--tls-verify=false", shop.image("v1")))
    assert found["Digest"] == image.digest
    assert found["RepoTags"] == ["again", "docker", "v1"]
    shop.run("skopeo", "copy", "--src-tls-verify=false", shop.image("v1"), "dir:out")
    for digest, content in image.blobs.items():
        assert (shop.folder / "out" / digest.partition(":")[2]).read_bytes() == content
    # Between two repositories layers are mounted.
    shop.ecr.create_repository(repositoryName="other")
    other = f"docker://{shop.address}/other:v1"
    shop.run("skopeo", "copy", "--src-tls-verify=false", insecure, shop.image("v1"), other)
    shop.run("skopeo", "delete", "--tls-verify=false", shop.image("docker"))
    tags = shop.run(
        "skopeo", "list-tags", "--tls-verify=false", f"docker://{shop.address}/team/app"
    )
    assert json.loads(tags)["Tags"] == ["again", "v1"]


@needs("skopeo")
def test_skopeo_logs_in(shop: Shop) -> None:
    password = shop.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    assert password
    command = ["skopeo", "login", "--tls-verify=false", "-u", "AWS", "-p", "wrong", shop.address]
    done = subprocess.run(
        command, env=shop.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0


@needs("buildah", "busybox")
def test_a_function_built_by_buildah(shop: Shop) -> None:
    (shop.folder / "loop.sh").write_text(LOOP)
    (shop.folder / "loop.sh").chmod(0o755)
    shutil.copy(str(shutil.which("busybox")), shop.folder / "busybox")
    (shop.folder / "Dockerfile").write_text(
        "FROM scratch\n"
        "COPY busybox /bin/busybox\n"
        'RUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
        "COPY loop.sh /loop.sh\n"
        "WORKDIR /srv\n"
        'ENTRYPOINT ["/loop.sh"]\n'
        'CMD ["app.handler"]\n'
    )
    store = ["--root", str(shop.folder / "store"), "--runroot", str(shop.folder / "run")]
    tag = f"{shop.address}/team/app:built"
    signing = ["--signature-policy", str(shop.folder / "policy.json")]
    shop.run("buildah", *store, "build", *signing, "-t", tag, ".")
    shop.run("buildah", *store, "push", *signing, "--tls-verify=false", tag)
    answer = shop.call("built", tag, {"a": 1})
    assert answer == {"handler": "app.handler", "event": {"a": 1}}


@pytest.mark.long
def test_the_runtime_interface_client_for_python(shop: Shop) -> None:
    """ENTRYPOINT [python -m awslambdaric], CMD [app.handler], as AWS's guide has it; Python is this machine's own.

    https://docs.aws.amazon.com/lambda/latest/dg/python-image.html#python-image-clients
    """
    client = pytest.importorskip("awslambdaric")
    files = _python_with(Path(client.__file__).parents[1])
    files["srv/app.py"] = (
        b"import os, sys\n"
        b"def handler(event, context):\n"
        b"    return [event, context.function_name, os.getcwd(), sys.version_info[:2]]\n"
    )
    python = sysconfig.get_config_var("BINDIR") + "/python3"
    executables = [name for name in files if "/bin/" in f"/{name}" or "ld-linux" in name]
    config = {
        "Entrypoint": [python, "-m", "awslambdaric"],
        "Cmd": ["app.handler"],
        "WorkingDir": "/srv",
        "Env": ["PYTHONPATH=/packages"],
    }
    image = Image([folder_of(files, executable=executables)], config)
    _push(shop, image)
    answer = shop.call("python", f"{shop.address}/team/app:python", {"a": 1})
    version = list(map(int, sysconfig.get_python_version().split(".")))
    assert answer == [{"a": 1}, "python", "/srv", version]


def _push(shop: Shop, image: Image) -> None:
    """By API, or by skopeo where a layer is longer than the API's parts."""
    if shutil.which("skopeo") is None:
        pytest.skip("not installed: skopeo")
    source = layout(shop.folder, image, "python")
    shop.run("skopeo", "copy", "--dest-tls-verify=false", source, shop.image("python"))


def _python_with(packages: Path) -> dict[str, bytes]:
    """The files of this machine's Python, of the libraries that it needs, and of the client."""
    prefix = Path(sysconfig.get_config_var("prefix"))
    library = Path(sysconfig.get_path("stdlib"))
    executable = Path(sysconfig.get_config_var("BINDIR")) / "python3"
    found: dict[str, bytes] = {}
    skipped = {"site-packages", "test", "__pycache__", "idlelib", "tkinter", "ensurepip", "lib2to3"}
    for path in library.rglob("*"):
        if path.is_file() and not skipped & set(path.relative_to(library).parts):
            found[str(path).lstrip("/")] = path.read_bytes()
    found[str(executable).lstrip("/")] = executable.resolve().read_bytes()
    modules = list(library.rglob("lib-dynload/*.so"))
    client = [packages / "awslambdaric", packages / "simplejson", packages / "snapshot_restore_py"]
    for folder in client:
        for path in folder.rglob("*") if folder.is_dir() else ():
            if path.is_file() and "__pycache__" not in path.parts:
                found[f"packages/{path.relative_to(packages)}"] = path.read_bytes()
    modules += list(packages.glob("runtime_client*.so")) + list(packages.glob("awslambdaric/*.so"))
    for path in packages.glob("runtime_client*.so"):
        found[f"packages/{path.name}"] = path.read_bytes()
    for library_path in _libraries([executable.resolve(), *modules]):
        found.setdefault(library_path.lstrip("/"), Path(library_path).resolve().read_bytes())
    assert prefix
    return found


def _libraries(programs: list[Path]) -> set[str]:
    """The shared libraries that programs load."""
    found: set[str] = set()
    for program in programs:
        done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            words = line.split()
            paths = [word for word in words if word.startswith("/")]
            found.update(paths[:1])
    return found


def test_pushed_by_the_api(shop: Shop) -> None:
    image = Image([folder_of({"a": b"1"})])
    assert push_by_api(shop.ecr, "team/app", image, "v1") == image.digest


@needs("busybox")
def test_serein_deploys_an_image(shop: Shop) -> None:
    image = _shell_image("one")
    push_by_api(shop.ecr, "team/app", image, "v1")
    (shop.folder / "template.yaml").write_text(
        "Transform: AWS::Serverless-2016-10-31\n"
        "Parameters: {Image: {Type: String}}\n"
        "Resources:\n"
        "  F:\n"
        "    Type: AWS::Serverless::Function\n"
        "    Properties: {FunctionName: deployed, PackageType: Image, ImageUri: !Ref Image, Timeout: 20}\n"
    )
    serein = [sys.executable, "-m", "serein.cli.main"]
    uri = f"{shop.address}/team/app@{image.digest}"
    where = ["--endpoint", shop.serein.endpoint]
    shop.run(*serein, "deploy", "template.yaml", "--stack", "s", "--param", f"Image={uri}", *where)
    answer = shop.client("lambda").invoke(FunctionName="deployed", Payload=b"1")
    assert json.loads(answer["Payload"].read()) == {"handler": "one", "event": 1}


@needs("busybox")
def test_a_crash_loses_nothing(shop: Shop) -> None:
    image = _shell_image("kept")
    push_by_api(shop.ecr, "team/app", image, "v1")
    assert shop.call("kept", f"{shop.address}/team/app:v1", 1) == {"handler": "kept", "event": 1}
    shop.ecr.batch_delete_image(repositoryName="team/app", imageIds=[{"imageTag": "v1"}])
    other = _shell_image("other")
    push_by_api(shop.ecr, "team/app", other, "v2")
    upload = shop.ecr.initiate_layer_upload(repositoryName="team/app")["uploadId"]
    half = {"repositoryName": "team/app", "uploadId": upload, "partFirstByte": 0}
    shop.ecr.upload_layer_part(partLastByte=3, layerPartBlob=b"half", **half)
    shop.serein.kill()
    # Not even what was unpacked is left.
    assert shop.serein.data is not None
    shutil.rmtree(shop.serein.data / "functions")
    shop.serein.start()
    found = shop.ecr.batch_get_image(repositoryName="team/app", imageIds=[{"imageTag": "v2"}])
    assert found["images"][0]["imageManifest"].encode() == other.manifest
    for digest, content in other.blobs.items():
        url = shop.ecr.get_download_url_for_layer(repositoryName="team/app", layerDigest=digest)
        with urllib.request.urlopen(url["downloadUrl"]) as answer:
            assert answer.read() == content
    # An upload goes on where it was, a token is good, a function runs that has no image any more.
    digest = digest_of(b"halfhalf")
    half["partFirstByte"] = 4
    shop.ecr.upload_layer_part(partLastByte=7, layerPartBlob=b"half", **half)
    with pytest.raises(shop.ecr.exceptions.LayerPartTooSmallException):
        shop.ecr.complete_layer_upload(
            repositoryName="team/app", uploadId=upload, layerDigests=[digest]
        )
    answer = shop.client("lambda").invoke(FunctionName="kept", Payload=b"2")
    assert json.loads(answer["Payload"].read()) == {"handler": "kept", "event": 2}


def _shell_image(command: str) -> Image:
    """An image that answers with its command and the event."""
    tools = [
        entry(f"bin/{name}", type=tarfile.SYMTYPE, linkname="busybox")
        for name in ("sh", "wget", "grep", "awk", "tr", "cat")
    ]
    program = Path(str(shutil.which("busybox"))).read_bytes()
    files = [entry("bin/busybox", program, mode=0o755), entry("loop.sh", LOOP.encode(), mode=0o755)]
    return Image([archive([*files, *tools])], {"Entrypoint": ["/loop.sh"], "Cmd": [command]})
