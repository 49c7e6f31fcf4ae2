"""boto3's S3 Control at the endpoint of S3: an account's public access block, and a bucket's tags as Terraform asks for them."""
import socket

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

resolve = socket.getaddrinfo
# SDKs put the account's number before the endpoint's name, and no resolver knows that here.
socket.getaddrinfo = lambda host, *more, **named: resolve(host.split(".", 1)[1] if host[:12].isdigit() else host, *more, **named)

CONFIG = Config(retries={"max_attempts": 2}, s3={"addressing_style": "path"})
s3, control, sts = (boto3.client(service, config=CONFIG) for service in ("s3", "s3control", "sts"))
ACCOUNT = sts.get_caller_identity()["Account"]
BUCKET = "controlled"
ARN = f"arn:aws:s3:::{BUCKET}"


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"{found} instead of {code}"
    else:
        raise AssertionError(f"{code} expected")


refused("NoSuchPublicAccessBlockConfiguration", control.get_public_access_block, AccountId=ACCOUNT)
block = {"BlockPublicAcls": True, "IgnorePublicAcls": False, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
control.put_public_access_block(AccountId=ACCOUNT, PublicAccessBlockConfiguration=block)
assert control.get_public_access_block(AccountId=ACCOUNT)["PublicAccessBlockConfiguration"] == block
refused("AccessDenied", control.get_public_access_block, AccountId="111122223333")
control.delete_public_access_block(AccountId=ACCOUNT)
refused("NoSuchPublicAccessBlockConfiguration", control.get_public_access_block, AccountId=ACCOUNT)

# As Terraform's aws_s3_bucket does.
refused("NoSuchBucket", control.list_tags_for_resource, AccountId=ACCOUNT, ResourceArn=ARN)
s3.create_bucket(Bucket=BUCKET)
of_bucket = {"AccountId": ACCOUNT, "ResourceArn": ARN}
assert control.list_tags_for_resource(**of_bucket)["Tags"] == []
control.tag_resource(**of_bucket, Tags=[{"Key": "stage", "Value": "test"}, {"Key": "a b/c", "Value": ""}])
control.tag_resource(**of_bucket, Tags=[{"Key": "stage", "Value": "live"}, {"Key": "team", "Value": "storage"}])
tags = [{"Key": "a b/c", "Value": ""}, {"Key": "stage", "Value": "live"}, {"Key": "team", "Value": "storage"}]
assert control.list_tags_for_resource(**of_bucket)["Tags"] == tags
assert s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"] == tags
control.untag_resource(**of_bucket, TagKeys=["a b/c", "team"])
assert control.list_tags_for_resource(**of_bucket)["Tags"] == [{"Key": "stage", "Value": "live"}]
refused("NotImplemented", control.list_access_points, AccountId=ACCOUNT)
s3.delete_bucket(Bucket=BUCKET)
print("all well")
