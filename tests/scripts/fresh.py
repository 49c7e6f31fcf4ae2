"""Looks for stale reads: one writer, readers through every gateway, while the network is cut.

fresh.py BUCKET STOP URL...    until the file STOP exists; prints how often each gateway took a write and answered
                               a read, and the longest time without an answer of each

A key's value is a number that only rises. A read that begins after a write was acknowledged must find that number
or a higher one. A key whose write has an unknown outcome is left alone: it may yet take effect.
"""
import json
import os
import sys
import threading
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


class Gateway:
    def __init__(self, url):
        config = Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=5)
        self.s3 = boto3.session.Session().client("s3", endpoint_url=url, config=config)
        self.url, self.writes, self.reads = url, 0, 0
        self.last, self.gap = time.monotonic(), 0

    def answered(self):
        now = time.monotonic()
        self.gap, self.last = max(self.gap, now - self.last), now


class Counter:
    """The key that is written now, and the highest number acknowledged there."""

    def __init__(self):
        self.lock, self.key, self.number = threading.Lock(), 0, 0

    def floor(self):
        with self.lock:
            return self.key, self.number

    def acknowledged(self, number):
        with self.lock:
            self.number = number

    def leave(self):
        with self.lock:
            self.key, self.number = self.key + 1, 0


def write(gateways, bucket, counter, stop):
    turn = 0
    while not os.path.exists(stop):
        key, number = counter.floor()
        gateway = gateways[turn % len(gateways)]
        try:
            gateway.s3.put_object(Bucket=bucket, Key=str(key), Body=str(number + 1).encode())
            counter.acknowledged(number + 1)
            gateway.writes += 1
        except (BotoCoreError, ClientError):
            counter.leave()
            turn += 1
        time.sleep(0.01)


def read(gateway, bucket, counter, stop, stale):
    while not os.path.exists(stop):
        key, floor = counter.floor()
        try:
            found = int(gateway.s3.get_object(Bucket=bucket, Key=str(key))["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                continue
            found = 0
        except BotoCoreError:
            continue
        gateway.reads += 1
        gateway.answered()
        if found < floor:
            stale.append(f"{gateway.url}: key {key} had {floor} before the read began, and {found} was found")
        time.sleep(0.005)


def main(bucket, stop, *urls):
    gateways, counter, stale = [Gateway(url) for url in urls], Counter(), []
    threads = [threading.Thread(target=write, args=(gateways, bucket, counter, stop))]
    for gateway in gateways:
        threads += [threading.Thread(target=read, args=(gateway, bucket, counter, stop, stale)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if stale:
        sys.exit("\n".join(stale))
    print(json.dumps([{"writes": g.writes, "reads": g.reads, "longest_gap_s": round(g.gap, 2)} for g in gateways]))


if __name__ == "__main__":
    main(*sys.argv[1:])
