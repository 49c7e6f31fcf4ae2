"""boto3's presigned forms, filled in and sent by curl: bytes, names, sizes, conditions, sessions, answers."""
import hashlib
import os
import subprocess
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config

BUCKET = "forms"
SIZES = [0, 1, 65537, (9 << 20) + 5]


def client(version="s3v4", **keys):
    return boto3.client("s3", config=Config(signature_version=version, s3={"addressing_style": "path"}), **keys)


def post(form, data, name="some file.bin", **more):
    """Sends a form with a file; the status, the answer's headers, and its body."""
    with open("form-file", "wb") as file:
        file.write(data)
    fields = {**form["fields"], **more}
    words = [word for field, value in fields.items() for word in ("--form-string", f"{field}={value}")]
    command = ["curl", "--silent", "--dump-header", "form-head", "--output", "form-answer", *words]
    subprocess.run([*command, "--form", f'file=@form-file;filename="{name}"', form["url"]], check=True)
    # After "100 Continue" comes the head of the answer.
    lines = open("form-head").read().strip().split("\n\n")[-1].splitlines()
    headers = dict(line.lower().split(": ", 1) if line.lower().startswith("etag") else (line.split(": ", 1)[0].lower(), line.split(": ", 1)[1]) for line in lines[1:])
    answer = open("form-answer", "rb").read() if os.path.exists("form-answer") else b""
    return int(lines[0].split()[1]), headers, answer


def refused(code, form, data=b"data", **more):
    status, _, answer = post(form, data, **more)
    assert status in (400, 403) and f"<Code>{code}</Code>".encode() in answer, (status, answer)


s3 = client()
s3.create_bucket(Bucket=BUCKET)


def kept(key):
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


for version in ("s3v4", "s3"):
    own = client(version)
    for size in SIZES:
        data = os.urandom(size)
        form = own.generate_presigned_post(BUCKET, f"{version}/{size}")
        status, headers, _ = post(form, data)
        assert (status, headers["etag"]) == (204, f'"{hashlib.md5(data).hexdigest()}"'), (status, headers)
        assert kept(f"{version}/{size}") == data
    form = own.generate_presigned_post(BUCKET, "named/${filename}", Fields={"Content-Type": "image/png", "x-amz-meta-mood": "calm"}, Conditions=[{"Content-Type": "image/png"}, {"x-amz-meta-mood": "calm"}])
    assert post(form, b"named", name="a b.png")[0] == 204
    head = s3.head_object(Bucket=BUCKET, Key="named/a b.png")
    assert (head["ContentType"], head["Metadata"]) == ("image/png", {"mood": "calm"}), head
    form = own.generate_presigned_post(BUCKET, "bounded", Conditions=[["content-length-range", 2, 70000]])
    refused("EntityTooSmall", form, b"1")
    refused("EntityTooLarge", form, os.urandom(70001))
    refused("AccessDenied", form, **{"x-amz-meta-more": "1"})
    refused("AccessDenied", {**form, "url": form["url"].replace(BUCKET, "other")})
    signature = "signature" if version == "s3" else "x-amz-signature"
    refused("SignatureDoesNotMatch", form, **{signature: "0" * 64})
    assert post(form, b"12")[0] == 204
    assert kept("bounded") == b"12"
    refused("AccessDenied", own.generate_presigned_post(BUCKET, "late", ExpiresIn=-1))

form = s3.generate_presigned_post(BUCKET, "told", Fields={"success_action_status": "201"}, Conditions=[{"success_action_status": "201"}])
status, headers, answer = post(form, b"told")
assert status == 201 and b"<Key>told</Key>" in answer and headers["location"] == f"{form['url']}/told", (status, headers, answer)
place = "http://app.example/done?a=b"
form = s3.generate_presigned_post(BUCKET, "led on", Fields={"success_action_redirect": place}, Conditions=[{"success_action_redirect": place}])
status, headers, _ = post(form, b"led")
told = parse_qs(urlsplit(headers["location"]).query)
assert status == 303 and told == {"a": ["b"], "bucket": [BUCKET], "key": ["led on"], "etag": [f'"{hashlib.md5(b"led").hexdigest()}"']}, headers

# A session's form has its token, and ends with it.
session = boto3.client("sts").get_session_token()["Credentials"]
keys = {"aws_access_key_id": session["AccessKeyId"], "aws_secret_access_key": session["SecretAccessKey"], "aws_session_token": session["SessionToken"]}
form = client(**keys).generate_presigned_post(BUCKET, "by a session")
assert post(form, b"session")[0] == 204
assert kept("by a session") == b"session"
refused("InvalidToken", form, **{"x-amz-security-token": "none"})
print("all well")
