"""Puts load on a server that may die at any moment, and keeps a record of what was acknowledged.

load.py run BUCKET RECORD STOP    puts, overwrites and deletes until the file STOP exists
load.py verify BUCKET RECORD      compares every recorded key with the server, byte by byte, and with its listing

The record has one JSON line per intention ("try") and one per acknowledgement ("ack"), flushed before the
next request. An intention without an acknowledgement may have taken effect or not: both are right.
"""
import hashlib
import json
import os
import random
import sys
import threading
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

THREADS = 8
KEYS_PER_THREAD = 12
SIZES = [0, 100, 4096, 20_000, 300_000, 1 << 20, (5 << 20) + 77]


def client():
    return boto3.session.Session().client(
        "s3", config=Config(retries={"max_attempts": 1}, connect_timeout=3, read_timeout=20)
    )


def content(seed, size):
    return random.Random(seed).randbytes(size)


def work(number, bucket, record, lock, stop):
    s3, rng = client(), random.Random(os.urandom(8))

    def note(**entry):
        with lock:
            record.write(json.dumps(entry) + "\n")
            record.flush()

    while not os.path.exists(stop):
        key = f"{number}/{rng.randrange(KEYS_PER_THREAD)}"
        name = f"{time.time_ns()}-{number}"
        size = rng.choice(SIZES)
        is_delete = rng.random() < 0.15
        value = None if is_delete else [name, size]
        note(what="try", name=name, key=key, value=value)
        try:
            if is_delete:
                s3.delete_object(Bucket=bucket, Key=key)
            else:
                s3.put_object(Bucket=bucket, Key=key, Body=content(name, size))
            note(what="ack", name=name)
        except (BotoCoreError, ClientError):
            time.sleep(0.05)


def run(bucket, record_path, stop):
    lock = threading.Lock()
    with open(record_path, "a") as record:
        threads = [threading.Thread(target=work, args=(n, bucket, record, lock, stop)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def allowed_values(record_path):
    """For each key the values it may have: the last acknowledged one, or any one tried after it."""
    tried, allowed, acknowledged = {}, {}, 0
    for line in open(record_path):
        entry = json.loads(line)
        if entry["what"] == "try":
            tried[entry["name"]] = entry
            # A key never written has no value: that stays allowed until the first acknowledgement.
            allowed.setdefault(entry["key"], [None]).append(entry["value"])
        else:
            acknowledged += 1
            entry = tried[entry["name"]]
            # One thread owns a key and has one request at a time: whatever came before is settled.
            allowed[entry["key"]] = [entry["value"]]
    return allowed, acknowledged


def verify(bucket, record_path):
    s3 = client()
    allowed, acknowledged = allowed_values(record_path)
    listed = set()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        listed |= {entry["Key"] for entry in page.get("Contents", [])}
    wrong = []
    for key, values in sorted(allowed.items()):
        try:
            data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                wrong.append(f"{key}: {error}")
                continue
            data = None
        if (data is not None) != (key in listed):
            wrong.append(f"{key}: listing and GET disagree")
        if data is None:
            if None not in values:
                wrong.append(f"{key}: lost, should be one of {values}")
        elif not any(v is not None and len(data) == v[1] and data == content(*v) for v in values):
            wrong.append(f"{key}: {len(data)} bytes with MD5 {hashlib.md5(data).hexdigest()}, should be one of {values}")
    if listed - set(allowed):
        wrong.append(f"listed but never put: {sorted(listed - set(allowed))}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(json.dumps({"keys": len(allowed), "acknowledged": acknowledged}))


if __name__ == "__main__":
    {"run": run, "verify": verify}[sys.argv[1]](*sys.argv[2:])
