"""More writers than a gateway has memory for.

overload.py BUCKET    some uploads stop while they hold all of the gateway's buffers, and many others want some: the
                      stopped ones give way, as many as it takes, and are told to slow down. Then those that are left go
                      on, and what they wrote must be there.
"""
import http.client
import json
import sys
import threading
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

HOLDERS, WRITERS, BYTES = 8, 60, 4 << 20
BEGUN = 1900 << 10

s3 = boto3.client("s3", config=Config(retries={"max_attempts": 0}, read_timeout=60, max_pool_connections=WRITERS))


def begin(bucket, key):
    url = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key}))
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    connection.putrequest("PUT", f"{url.path}?{url.query}")
    connection.putheader("Content-Length", str(BYTES))
    connection.endheaders()
    connection.send(b"h" * BEGUN)
    return connection


def finish(connection):
    try:
        connection.send(b"h" * (BYTES - BEGUN))
    except OSError:
        pass  # It was refused meanwhile.
    return connection.getresponse().status


def write(bucket, number, said):
    try:
        s3.put_object(Bucket=bucket, Key=f"writer/{number}", Body=b"w" * BYTES)
        said.append("written")
    except ClientError as error:
        said.append(error.response["Error"]["Code"])


def main(bucket):
    holders = [begin(bucket, f"holder/{number}") for number in range(HOLDERS)]
    said = []
    writers = [threading.Thread(target=write, args=(bucket, number, said)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    held = [finish(holder) for holder in holders]
    assert 200 in held and set(held) <= {200, 503}, f"the holders: {held}"
    # The load is gone: everyone is served again, at once.
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"after/{number}", Body=b"a" * BYTES)
    found = s3.get_object(Bucket=bucket, Key=f"holder/{held.index(200)}")["Body"].read()
    assert found == b"h" * BYTES
    print(json.dumps({code: said.count(code) for code in sorted(set(said))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
