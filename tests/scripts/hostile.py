"""What a client that has one link, or none at all, may try against everybody else.

hostile.py CASE BUCKET [ACCESS_KEY SECRET_KEY]    plays the attacker and the victim, who has the keys that are named and a
bucket of his own; or else is the owner of the bucket that the link is of. Nobody repeats anything. Fails if the victim is
refused, or the attack succeeds

slow_writers     many sockets with one presigned PUT: some send a byte, others nearly a chunk, and no more
leaked_writers   the same sockets, nearly a chunk each, of which each begins anew when it is cut
tiny_chunks      megabytes in HTTP chunks of a byte
flood            many uploads that send as fast as they can
slow_readers     many sockets with one presigned GET of a large object, which they do not read
many_addresses   sockets with one presigned PUT, each from an address of its own, that send a little, stop, and come back from
                 another address when they are cut; the owner and another tenant have several requests under way each
idle_sockets     more connections than the server has descriptors
merged_names     a version 2 link whose one value is made to hold two parameters
hoisted_headers  headers that an SDK signed into a version 4 link
documents        documents of megabytes for an operation that takes little, held back before their end
padded_length    a length behind many spaces, beside a transfer encoding
many_versions    nobody is hurt yet: one key gets one version, another thousands
refused_of_few   bytes that are refused, for the key of one version
refused_of_many  the same for the key of thousands
"""
import contextlib
import datetime
import random
import select
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit, urlunsplit

import boto3
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.client import Config
from botocore.exceptions import ClientError

VICTIMS = 20


def client(version="s3v4", keys=()):
    config = Config(signature_version=version, read_timeout=60, retries={"max_attempts": 0})
    return boto3.client("s3", config=config, **dict(zip(("aws_access_key_id", "aws_secret_access_key"), keys)))


s3 = client()
is_owner = not sys.argv[3:]
victim = client(keys=sys.argv[3:])


def victims_bucket(bucket):
    if is_owner:
        return bucket
    own = f"{bucket}-own"
    victim.create_bucket(Bucket=own)
    return own


def link(operation, **parameters):
    return s3.generate_presigned_url(operation, Params=parameters)


def signed(method, path, query):
    """A version 4 link with these parameters, whatever an SDK would make of them."""
    request = AWSRequest(method, s3.meta.endpoint_url + path, params=query)
    S3SigV4QueryAuth(boto3.Session().get_credentials(), "s3", "us-east-1", expires=600).add_auth(request)
    return request.prepare().url


def begin(method, url, head="", receive_bytes=0):
    """A socket on which the head of a request was sent."""
    url = urlsplit(url)
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.connect((url.hostname, url.port))
    connection.sendall(f"{method} {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n{head}\r\n".encode())
    return connection


def status(connection):
    connection.settimeout(60)
    answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer.split(b" ")[1])


def send_all(connections, data):
    """Sends to all at once what they take; a server may have cut some."""
    def send(connection):
        with contextlib.suppress(OSError):
            connection.settimeout(10)
            connection.sendall(data)
    threads = [threading.Thread(target=send, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def drip(connections):
    """A byte to each every second, for ever."""
    def send():
        while True:
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.send(b"x")
            time.sleep(1)
    threading.Thread(target=send, daemon=True).start()


def slow_writers(bucket):
    url = link("put_object", Bucket=bucket, Key="slow")
    held = [begin("PUT", url, "Content-Length: 5368709120\r\n") for _ in range(280)]
    send_all(held[:140], b"x" * 3_900_000)
    drip(held)
    own = victims_bucket(bucket)
    for number in range(VICTIMS):
        victim.put_object(Bucket=own, Key=str(number), Body=b"y" * 5_000_000)
    found = victim.get_object(Bucket=own, Key=str(VICTIMS - 1))["Body"].read()
    assert found == b"y" * 5_000_000


def leaked_writers(bucket):
    url = link("put_object", Bucket=bucket, Key="slow")

    def attack():
        while True:
            with contextlib.suppress(OSError), begin("PUT", url, "Content-Length: 5368709120\r\n") as connection:
                connection.settimeout(60)
                connection.sendall(b"x" * 3_900_000)
                connection.recv(1)
    for _ in range(280):
        threading.Thread(target=attack, daemon=True).start()
    time.sleep(6)
    own = victims_bucket(bucket)
    for number in range(5):
        victim.put_object(Bucket=own, Key=str(number), Body=b"y" * 5_000_000)


def tiny_chunks(bucket):
    connection = begin("PUT", link("put_object", Bucket=bucket, Key="tiny"), "Transfer-Encoding: chunked\r\n")
    sending = threading.Thread(target=send_all, args=([connection], b"1\r\nx\r\n" * 2_000_000 + b"0\r\n\r\n"), daemon=True)
    sending.start()
    assert status(connection) == 400, "millions of chunks of a byte were taken"


def flood(bucket):
    url = link("put_object", Bucket=bucket, Key="flood")
    end = time.monotonic() + 12

    def attack():
        while time.monotonic() < end:
            with contextlib.suppress(OSError), begin("PUT", url, "Content-Length: 5368709120\r\n") as connection:
                connection.settimeout(10)
                while time.monotonic() < end:
                    connection.sendall(b"x" * 262_144)
    threads = [threading.Thread(target=attack, daemon=True) for _ in range(400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def slow_readers(bucket):
    own = victims_bucket(bucket)
    victim.put_object(Bucket=own, Key="wanted", Body=b"v" * (1 << 20))
    s3.put_object(Bucket=bucket, Key="big", Body=b"b" * (48 << 20))
    url = link("get_object", Bucket=bucket, Key="big")
    held = [begin("GET", url, receive_bytes=2048) for _ in range(360)]
    time.sleep(8)
    for _ in range(VICTIMS):
        assert victim.get_object(Bucket=own, Key="wanted")["Body"].read() == b"v" * (1 << 20)
    assert len(held) == 360


def many_addresses(bucket):
    url = urlsplit(link("put_object", Bucket=bucket, Key="slow"))
    wire = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 100000000\r\n\r\nxxxxxxxxxx".encode()

    def attack():
        sockets, told = {}, select.epoll()
        while True:
            # Of 600 sockets, 40 at once and 800 a second come back at most.
            for _ in range(min(40, 600 - len(sockets))):
                one = socket.socket()
                one.setsockopt(socket.SOL_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
                one.bind((f"127.{random.randrange(1, 250)}.{random.randrange(255)}.{random.randrange(1, 254)}", 0))
                with contextlib.suppress(OSError):
                    one.connect((url.hostname, url.port))
                    one.sendall(wire)
                    sockets[one.fileno()] = one
                    told.register(one.fileno(), select.EPOLLIN)
            for number, _ in told.poll(0.05):
                told.unregister(number)
                sockets.pop(number).close()
            time.sleep(0.05)
    threading.Thread(target=attack, daemon=True).start()
    time.sleep(6)
    own = victims_bucket(bucket)

    def work(turn):
        who, where = ((s3, bucket), (victim, own))[turn % 2]
        for number in range(8):
            body = f"{turn} {number}".encode() * 20_000
            who.put_object(Bucket=where, Key=f"{turn}/{number}", Body=body)
            assert who.get_object(Bucket=where, Key=f"{turn}/{number}")["Body"].read() == body
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


def idle_sockets(bucket):
    # A victim that was there before, and one that comes afterwards.
    s3.put_object(Bucket=bucket, Key="before", Body=b"b" * 100_000)
    url = urlsplit(s3.meta.endpoint_url)
    idle = []
    for _ in range(1500):
        with contextlib.suppress(OSError):
            idle.append(socket.create_connection((url.hostname, url.port), timeout=1))
    # What is asked for on open connections makes the server open files: more segments than it has at hand.
    for number in range(60):
        with contextlib.suppress(Exception):
            s3.put_object(Bucket=bucket, Key=f"meanwhile/{number}", Body=b"m" * (4 << 20))
    for connection in idle:
        connection.close()
    for number in range(VICTIMS):
        s3.put_object(Bucket=bucket, Key=f"after/{number}", Body=b"a" * 100_000)
        assert s3.get_object(Bucket=bucket, Key=f"after/{number}")["Body"].read() == b"a" * 100_000
    assert s3.get_object(Bucket=bucket, Key="before")["Body"].read() == b"b" * 100_000


def merged_names(bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    parameters = {"Bucket": bucket, "Key": "k", "VersionId": old, "ResponseContentDisposition": "attachment"}
    url = urlsplit(client("s3").generate_presigned_url("get_object", Params=parameters))
    honest = begin("GET", urlunsplit(url))
    assert status(honest) == 200
    merged = ("versionId=", "response-content-disposition=")
    rest = [pair for pair in url.query.split("&") if not pair.startswith(merged)]
    value = quote(f"attachment&versionId={old}", safe="")
    query = "&".join([f"response-content-disposition={value}", *rest])
    found = status(begin("GET", urlunsplit((url.scheme, url.netloc, url.path, query, ""))))
    assert found in (400, 403), f"one value passed for two parameters: {found}"


def hoisted_headers(bucket):
    locked = f"{bucket}-locked"
    s3.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
    until = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    lock = {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": until}
    if status(begin("PUT", signed("PUT", f"/{locked}/k", lock), "Content-Length: 0\r\n")) == 200:
        assert s3.head_object(Bucket=locked, Key="k")["ObjectLockMode"] == "GOVERNANCE", "a signed lock was forgotten"
    s3.put_object(Bucket=bucket, Key="source", Body=b"source")
    copy = {"x-amz-copy-source": f"/{bucket}/source"}
    if status(begin("PUT", signed("PUT", f"/{bucket}/target", copy), "Content-Length: 0\r\n")) == 200:
        assert s3.get_object(Bucket=bucket, Key="target")["Body"].read() == b"source", "a signed source was forgotten"
    tagged = {"x-amz-tagging": "a=b"}
    if status(begin("PUT", signed("PUT", f"/{bucket}/tagged", tagged), "Content-Length: 0\r\n")) == 200:
        assert s3.get_object_tagging(Bucket=bucket, Key="tagged")["TagSet"] == [{"Key": "a", "Value": "b"}]
    guarded = {"x-amz-expected-bucket-owner": "0" * 12}
    found = status(begin("PUT", signed("PUT", f"/{bucket}/guarded", guarded), "Content-Length: 0\r\n"))
    assert found in (400, 403), f"a signed guard was forgotten: {found}"


def documents(bucket):
    head = "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\nContent-Length: {}\r\n"
    held = []
    for length in (8 << 20, 1 << 20):
        some = [begin("POST", signed("POST", f"/{bucket}", {"delete": ""}), head.format(length)) for _ in range(200)]
        send_all(some, b"<" * (length - 600))
        held += some
    refused = begin("PUT", signed("PUT", f"/{bucket}/k", {"retention": ""}), "Content-Length: 8388608\r\n")
    assert status(refused) == 400, "a retention takes no megabytes"
    own = victims_bucket(bucket)
    for number in range(VICTIMS):
        victim.put_object(Bucket=own, Key=str(number), Body=b"y" * 100_000)
        victim.delete_objects(Bucket=own, Delete={"Objects": [{"Key": str(number)}]})


def padded_length(bucket):
    for spaces in (1, 49, 60, 300):
        head = f"Content-Length:{' ' * spaces}5\r\nTransfer-Encoding: chunked\r\n"
        connection = begin("PUT", link("put_object", Bucket=bucket, Key="padded"), head)
        connection.sendall(b"1\r\nx\r\n0\r\n\r\n")
        assert status(connection) == 400, f"two lengths were taken, behind {spaces} spaces"
    try:
        s3.head_object(Bucket=bucket, Key="padded")
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    else:
        sys.exit("what was refused is there")


def many_versions(bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="few", Body=b"f")
    for _ in range(5):
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "many"}] * 1000, "Quiet": True})
        assert not answer.get("Errors"), answer["Errors"][0]


def refused(bucket, key):
    def put(_):
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=b"r" * 9000, ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "written"
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(put, range(100))) == {"BadDigest"}


def refused_of_few(bucket):
    refused(bucket, "few")


def refused_of_many(bucket):
    refused(bucket, "many")


if __name__ == "__main__":
    case, name = sys.argv[1:3]
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=name)
    globals()[case](name)
