"""Server certificates. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_server-certs.html"""

from __future__ import annotations

from tests.services.iam.certificates import new_certificate

ACCOUNT = "000000000000"


def test_the_life_of_a_certificate(iam, refused) -> None:
    """Members as recorded in `test_server_certificate`."""
    body, key = new_certificate()
    made = iam.upload_server_certificate(
        ServerCertificateName="web", CertificateBody=body, PrivateKey=key, Path="/cloudfront/"
    )["ServerCertificateMetadata"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:server-certificate/cloudfront/web"
    assert made["ServerCertificateId"].startswith("ASCA")
    found = iam.get_server_certificate(ServerCertificateName="web")["ServerCertificate"]
    assert found.keys() == {"CertificateBody", "ServerCertificateMetadata", "Tags"}
    assert found["CertificateBody"] == body.strip()
    assert found["ServerCertificateMetadata"] == made
    again = refused(
        iam.upload_server_certificate,
        ServerCertificateName="Web",
        CertificateBody=body,
        PrivateKey=key,
    )
    assert again[0] == "EntityAlreadyExists"
    iam.tag_server_certificate(
        ServerCertificateName="web", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    )
    iam.untag_server_certificate(ServerCertificateName="web", TagKeys=["a"])
    iam.update_server_certificate(
        ServerCertificateName="web", NewServerCertificateName="site", NewPath="/"
    )
    assert iam.list_server_certificate_tags(ServerCertificateName="site")["Tags"] == [
        {"Key": "b", "Value": "2"}
    ]
    listed = iam.list_server_certificates()["ServerCertificateMetadataList"]
    assert [each["Arn"] for each in listed] == [f"arn:aws:iam::{ACCOUNT}:server-certificate/site"]
    assert iam.list_server_certificates(PathPrefix="/x/")["ServerCertificateMetadataList"] == []
    iam.delete_server_certificate(ServerCertificateName="site")
    assert refused(iam.get_server_certificate, ServerCertificateName="site") == (
        "NoSuchEntity",
        "The Server Certificate with name site cannot be found.",
    )


def test_the_key_must_fit(iam, refused) -> None:
    body, _ = new_certificate()
    _, other = new_certificate()
    upload = iam.upload_server_certificate
    name = {"ServerCertificateName": "web"}
    assert refused(upload, **name, CertificateBody=body, PrivateKey=other)[0] == "KeyPairMismatch"
    assert refused(upload, **name, CertificateBody="x", PrivateKey=other)[0] == (
        "MalformedCertificate"
    )
