"""boto3 through what applications do: objects, ranges, parts, listings, conditions, checksums, copies."""
import hashlib
import io
import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client("s3", config=Config(retries={"max_attempts": 2}))
BUCKET = "boto3-bucket"


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"{found} instead of {code}"
    else:
        raise AssertionError(f"{code} expected")


def body(key, **arguments):
    return s3.get_object(Bucket=BUCKET, Key=key, **arguments)["Body"].read()


s3.create_bucket(Bucket=BUCKET)
s3.head_bucket(Bucket=BUCKET)
refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="nothing")
refused("NoSuchBucket", s3.list_objects_v2, Bucket="boto3-no-such-bucket")

# Bodies around every size at which a server might do something else.
for size in (0, 1, 4095, 4096, 4097, 65535, 65537, 1 << 20, (1 << 20) + 1, (9 << 20) + 5):
    data = os.urandom(size)
    put = s3.put_object(Bucket=BUCKET, Key=f"sizes/{size}", Body=data, Metadata={"size": str(size)}, ContentType="text/x-test")
    assert put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert body(f"sizes/{size}") == data
    head = s3.head_object(Bucket=BUCKET, Key=f"sizes/{size}")
    assert (head["ContentLength"], head["Metadata"], head["ContentType"]) == (size, {"size": str(size)}, "text/x-test")
for first, last in ((0, 0), (5, 4096), (65530, 65540), (1 << 20, (9 << 20) + 4), (9 << 20, 99 << 20)):
    assert body(f"sizes/{(9 << 20) + 5}", Range=f"bytes={first}-{last}") == data[first : last + 1]
assert body(f"sizes/{(9 << 20) + 5}", Range="bytes=-7") == data[-7:]
refused("InvalidRange", s3.get_object, Bucket=BUCKET, Key="sizes/1", Range="bytes=5-9")

# Keys as people write them.
for key in ("a/b", "a/b/c", "a//b", "../x", "%25", "a b+c", "ключ", "🦀", "x" * 1024):
    s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    assert body(key) == key.encode(), key
refused("KeyTooLongError", s3.put_object, Bucket=BUCKET, Key="x" * 1025, Body=b"")

# An upload in parts, its listing, its parts read one by one.
parts = [os.urandom(5 << 20), os.urandom((5 << 20) + 1), os.urandom(17)]
upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts", Metadata={"in": "parts"})["UploadId"]
etags = [s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=n, Body=p)["ETag"] for n, p in enumerate(parts, 1)]
assert [part["Size"] for part in s3.list_parts(Bucket=BUCKET, Key="parts", UploadId=upload)["Parts"]] == [len(p) for p in parts]
assert s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"][0]["UploadId"] == upload
refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="parts")
listed = [{"PartNumber": n, "ETag": e} for n, e in enumerate(etags, 1)]
done = s3.complete_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload={"Parts": listed})
md5s = b"".join(hashlib.md5(p).digest() for p in parts)
assert done["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"', done["ETag"]
assert body("parts") == b"".join(parts)
assert body("parts", PartNumber=2) == parts[1]
refused("InvalidPartNumber", s3.get_object, Bucket=BUCKET, Key="parts", PartNumber=4)
assert body("parts", Range=f"bytes={(5 << 20) - 3}-{(5 << 20) + 3}") == b"".join(parts)[(5 << 20) - 3 : (5 << 20) + 4]
aborted = s3.create_multipart_upload(Bucket=BUCKET, Key="aborted")["UploadId"]
s3.upload_part(Bucket=BUCKET, Key="aborted", UploadId=aborted, PartNumber=1, Body=b"x")
s3.abort_multipart_upload(Bucket=BUCKET, Key="aborted", UploadId=aborted)
refused("NoSuchUpload", s3.list_parts, Bucket=BUCKET, Key="aborted", UploadId=aborted)

# A client that asks for no checksum gets S3's own.
plain = boto3.client("s3", config=Config(request_checksum_calculation="when_required"))
upload = plain.create_multipart_upload(Bucket=BUCKET, Key="default sum")["UploadId"]
part = plain.upload_part(Bucket=BUCKET, Key="default sum", UploadId=upload, PartNumber=1, Body=b"123456789")
# Which it may say again, as the SDK for JavaScript does.
listed = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC64NVME": part["ChecksumCRC64NVME"]}]}
done = plain.complete_multipart_upload(Bucket=BUCKET, Key="default sum", UploadId=upload, MultipartUpload=listed)
head = plain.head_object(Bucket=BUCKET, Key="default sum", ChecksumMode="ENABLED")
for answer in (done, head):
    # The check value of CRC-64/NVME.
    assert (answer["ChecksumType"], answer["ChecksumCRC64NVME"]) == ("FULL_OBJECT", "rosUhgp5mIg="), answer

# The managed transfer, with several parts at once.
large = os.urandom((24 << 20) + 3)
s3.upload_fileobj(io.BytesIO(large), BUCKET, "large")
back = io.BytesIO()
s3.download_fileobj(BUCKET, "large", back)
assert back.getvalue() == large

# Copies.
s3.copy_object(Bucket=BUCKET, Key="copy of/parts", CopySource={"Bucket": BUCKET, "Key": "parts"})
assert body("copy of/parts") == b"".join(parts)
s3.copy_object(Bucket=BUCKET, Key="a/b", CopySource={"Bucket": BUCKET, "Key": "a/b"}, MetadataDirective="REPLACE", Metadata={"new": "1"})
assert s3.head_object(Bucket=BUCKET, Key="a/b")["Metadata"] == {"new": "1"}

# Conditions.
refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="a/b", Body=b"", IfNoneMatch="*")
etag = s3.head_object(Bucket=BUCKET, Key="a/b")["ETag"]
s3.put_object(Bucket=BUCKET, Key="a/b", Body=b"second", IfMatch=etag)
refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="a/b", Body=b"third", IfMatch=etag)
assert body("a/b") == b"second"
refused("PreconditionFailed", s3.delete_object, Bucket=BUCKET, Key="a/b", IfMatch=etag)
refused("NoSuchKey", s3.delete_object, Bucket=BUCKET, Key="nothing", IfMatch="*")
try:
    s3.put_object(Bucket=BUCKET, Key="a/b", Body=b"", IfNoneMatch="*")
except ClientError as error:
    assert error.response["Error"]["Condition"] == "If-None-Match", error.response
refused("304", s3.get_object, Bucket=BUCKET, Key="a/b", IfNoneMatch=s3.head_object(Bucket=BUCKET, Key="a/b")["ETag"])

# Checksums.
for algorithm in ("CRC32", "SHA1", "SHA256"):
    put = s3.put_object(Bucket=BUCKET, Key="sum", Body=b"checksummed", ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
refused("BadDigest", s3.put_object, Bucket=BUCKET, Key="sum", Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
assert body("sum") == b"checksummed"

# Storage classes are shown, and a copy has its own.
s3.put_object(Bucket=BUCKET, Key="cold", Body=b"cold", StorageClass="GLACIER_IR")
assert s3.head_object(Bucket=BUCKET, Key="cold")["StorageClass"] == "GLACIER_IR"
assert s3.list_objects_v2(Bucket=BUCKET, Prefix="cold")["Contents"][0]["StorageClass"] == "GLACIER_IR"
s3.copy_object(Bucket=BUCKET, Key="warm", CopySource={"Bucket": BUCKET, "Key": "cold"})
assert "StorageClass" not in s3.head_object(Bucket=BUCKET, Key="warm")

# A client that signs for another region learns the right one, even where an answer has no body.
for call in ("head_object", "head_bucket"):
    lost = boto3.client("s3", region_name="eu-central-1")
    getattr(lost, call)(Bucket=BUCKET, **({"Key": "cold"} if call == "head_object" else {}))

# Listings.
for number in range(25):
    s3.put_object(Bucket=BUCKET, Key=f"list/{number % 5}/{number:02}", Body=b"x")
paged = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 7})
keys = [entry["Key"] for page in paged for entry in page.get("Contents", [])]
assert keys == sorted(f"list/{n % 5}/{n:02}" for n in range(25))
page = s3.list_objects(Bucket=BUCKET, Prefix="list/", Delimiter="/")
assert [p["Prefix"] for p in page["CommonPrefixes"]] == [f"list/{n}/" for n in range(5)]

# Cleaning up.
refused("BucketNotEmpty", s3.delete_bucket, Bucket=BUCKET)
while entries := s3.list_objects_v2(Bucket=BUCKET).get("Contents"):
    gone = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": e["Key"]} for e in entries]})
    assert not gone.get("Errors"), gone["Errors"]
s3.delete_bucket(Bucket=BUCKET)
assert BUCKET not in [b["Name"] for b in s3.list_buckets()["Buckets"]]
print("all well")
