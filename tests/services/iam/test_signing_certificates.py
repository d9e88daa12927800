"""Signing certificates. https://docs.aws.amazon.com/IAM/latest/APIReference/API_UploadSigningCertificate.html"""

from __future__ import annotations

from tests.services.iam.certificates import new_certificate


def test_the_life_of_a_certificate(iam, user, refused) -> None:
    body, _ = new_certificate()
    made = iam.upload_signing_certificate(UserName=user, CertificateBody=body)["Certificate"]
    assert made["CertificateBody"] == body
    assert made["Status"] == "Active"
    id = made["CertificateId"]
    assert len(id) == 32
    again = refused(iam.upload_signing_certificate, UserName=user, CertificateBody=body)
    assert again[0] == "DuplicateCertificate"
    iam.update_signing_certificate(UserName=user, CertificateId=id, Status="Inactive")
    iam.upload_signing_certificate(UserName=user, CertificateBody=new_certificate()[0])
    third = refused(
        iam.upload_signing_certificate, UserName=user, CertificateBody=new_certificate()[0]
    )
    assert third == ("LimitExceeded", "Cannot exceed quota for CertificatesPerUser: 2")
    listed = iam.list_signing_certificates(UserName=user)["Certificates"]
    assert sorted(each["Status"] for each in listed) == ["Active", "Inactive"]
    assert refused(iam.delete_user, UserName=user)[0] == "DeleteConflict"
    for each in listed:
        iam.delete_signing_certificate(UserName=user, CertificateId=each["CertificateId"])
    assert refused(iam.delete_signing_certificate, UserName=user, CertificateId=id) == (
        "NoSuchEntity",
        f"The Certificate with id {id} cannot be found.",
    )
    iam.delete_user(UserName=user)


def test_bad_certificates(iam, user, refused) -> None:
    upload = iam.upload_signing_certificate
    assert refused(upload, UserName=user, CertificateBody="nothing")[0] == "MalformedCertificate"
    expired, _ = new_certificate(-1)
    assert refused(upload, UserName=user, CertificateBody=expired)[0] == "InvalidCertificate"
