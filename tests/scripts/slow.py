"""Uploads and downloads that are under way while a server is told to stop.

slow.py run BUCKET READY GO    begins them all, makes the file READY, goes on when the file GO is there, and
                               fails unless each ends as if nothing had happened
slow.py verify BUCKET          compares what the uploads wrote, byte by byte
"""
import http.client
import os
import random
import sys
import threading
import time
from urllib.parse import urlsplit

import boto3

STREAMS = 4
UPLOAD_BYTES = 24 << 20
# Far more than what the buffers of a loopback connection hold.
DOWNLOAD_BYTES = 32 << 20
PIECE = 256 << 10

s3 = boto3.client("s3")


def content(seed, size):
    return random.Random(seed).randbytes(size)


def connect(url):
    url = urlsplit(url)
    return http.client.HTTPConnection(url.hostname, url.port, timeout=60), f"{url.path}?{url.query}"


def upload(number, bucket, begun, go):
    data = content(f"up-{number}", UPLOAD_BYTES)
    connection, path = connect(s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": f"slow/up-{number}"}))
    connection.putrequest("PUT", path)
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders()
    half = len(data) // 2
    for at in range(0, half, PIECE):
        connection.send(data[at : at + PIECE])
    begun()
    go()
    for at in range(half, len(data), PIECE):
        connection.send(data[at : min(at + PIECE, len(data))])
        time.sleep(0.02)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, f"upload {number}: {answer.status} {body}"


def download(number, bucket, begun, go):
    data = content("down", DOWNLOAD_BYTES)
    connection, path = connect(s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "slow/down"}))
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200, f"download {number}: {answer.status}"
    pieces = [answer.read(PIECE)]
    begun()
    go()
    while piece := answer.read(1 << 20):
        pieces.append(piece)
        time.sleep(0.03)
    assert b"".join(pieces) == data, f"download {number}: wrong or missing bytes"


def run(bucket, ready, go):
    s3.put_object(Bucket=bucket, Key="slow/down", Body=content("down", DOWNLOAD_BYTES))
    under_way = threading.Barrier(2 * STREAMS + 1)
    failures = []

    def wait_for_go():
        while not os.path.exists(go):
            time.sleep(0.02)

    def attempt(work, number):
        try:
            work(number, bucket, under_way.wait, wait_for_go)
        except Exception as error:
            failures.append(f"{work.__name__} {number}: {error!r}")
            under_way.abort()

    threads = [threading.Thread(target=attempt, args=(work, n)) for work in (upload, download) for n in range(STREAMS)]
    for thread in threads:
        thread.start()
    try:
        under_way.wait(60)
        open(ready, "w").close()
    except threading.BrokenBarrierError:
        pass
    for thread in threads:
        thread.join()
    if failures:
        sys.exit("\n".join(failures))


def verify(bucket):
    for number in range(STREAMS):
        found = s3.get_object(Bucket=bucket, Key=f"slow/up-{number}")["Body"].read()
        assert found == content(f"up-{number}", UPLOAD_BYTES), f"upload {number} is not what was sent"


if __name__ == "__main__":
    {"run": run, "verify": verify}[sys.argv[1]](*sys.argv[2:])
