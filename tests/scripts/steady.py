"""Clients that must notice nothing: any error that ordinary retries do not hide is a failure.

steady.py BUCKET STOP HOST...    writes, reads, lists and deletes until the file STOP exists, then compares every
                                 key that is left; prints counts and the longest time that a request took

The clients know the gateways (HOST is address:port) by one name, as by a name server that lists them all.
"""
import json
import os
import random
import socket
import sys
import threading
import time

import boto3
from botocore.config import Config

THREADS = 6
KEYS_PER_THREAD = 8
SIZES = [0, 100, 4096, 50_000, 300_000, 1 << 20, (4 << 20) + 7]
NAME = "gateways.test"


def answer_for(hosts):
    """Makes NAME resolve to all gateways, in an order of its own each time."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *rest, **more):
        if host != NAME:
            return resolve(host, *rest, **more)
        places = [(address, int(port)) for address, port in (host.split(":") for host in hosts)]
        random.shuffle(places)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place) for place in places]

    socket.getaddrinfo = getaddrinfo


def content(seed, size):
    return random.Random(seed).randbytes(size)


class Worker:
    def __init__(self, number, bucket, stop):
        self.number, self.bucket, self.stop = number, bucket, stop
        retries = Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=30)
        self.s3 = boto3.session.Session().client("s3", endpoint_url=f"http://{NAME}", config=retries)
        self.rng, self.held = random.Random(number), {}
        self.done, self.longest, self.failure = 0, (0, "nothing"), None

    def timed(self, what, call):
        began = time.monotonic()
        answer = call()
        self.longest = max(self.longest, (time.monotonic() - began, what))
        self.done += 1
        return answer

    def read(self, key):
        name, size = self.held[key]
        read = lambda: self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        assert self.timed("GET", read) == content(name, size), f"{key} has other bytes"

    def list(self):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.number}/")
        found = self.timed("LIST", lambda: {entry["Key"] for page in pages for entry in page.get("Contents", [])})
        assert found == set(self.held), f"listed {sorted(found)}, should be {sorted(self.held)}"

    def step(self):
        key = f"{self.number}/{self.rng.randrange(KEYS_PER_THREAD)}"
        draw = self.rng.random()
        if key in self.held and draw < 0.3:
            self.read(key)
        elif draw < 0.4:
            self.list()
        elif key in self.held and draw < 0.5:
            self.timed("DELETE", lambda: self.s3.delete_object(Bucket=self.bucket, Key=key))
            del self.held[key]
        else:
            name, size = f"{self.number}-{self.done}", self.rng.choice(SIZES)
            put = lambda: self.s3.put_object(Bucket=self.bucket, Key=key, Body=content(name, size))
            self.timed("PUT", put)
            self.held[key] = (name, size)

    def run(self):
        try:
            while not os.path.exists(self.stop):
                self.step()
            self.list()
            for key in self.held:
                self.read(key)
        except Exception as error:
            self.failure = f"client {self.number} after {self.done} requests: {error!r}"


def main(bucket, stop, *hosts):
    answer_for(hosts)
    workers = [Worker(number, bucket, stop) for number in range(THREADS)]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failures = [worker.failure for worker in workers if worker.failure]
    if failures:
        sys.exit("\n".join(failures))
    longest, what = max(worker.longest for worker in workers)
    done = sum(worker.done for worker in workers)
    print(json.dumps({"requests": done, "longest_s": round(longest, 3), "longest_what": what}))


if __name__ == "__main__":
    main(*sys.argv[1:])
