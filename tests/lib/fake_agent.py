#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An agent that only talks: canned answers to docs/control-protocol.md.

fake_agent.py RUN_DIR [--hang | --garbage | --close]

Requests are appended to RUN_DIR/requests (one JSON object a line; for `run`
with "pid": the process the passed pidfd stands for).  A `run` with the name
"refused" is refused; with "slow" the answer waits until RUN_DIR/go exists; with
"spliced" it says so.  Each `drain` finds one connection less.
"""
import json
import os
import socket
import socketserver
import sys
import time

APPS = [
    {"ref": "1f", "name": "web", "id": "00aa", "scope": "web.1f", "ips": ["10.9.0.1"],
     "tags": ["grp=front"], "mode": "enforce", "egress": "all", "local": "allow",
     "splice": "all", "splice_set": "all", "named": True, "quarantined": False, "pids": 3, "uid": 0,
     "since": "2026-11-21T03:00:00Z"},
    {"ref": "2f", "name": "evil\u001b[31m", "id": "00ab", "scope": "x.2f", "ips": [],
     "tags": [], "mode": "audit", "egress": "none", "local": "deny", "splice": "off",
     "splice_set": None, "named": False, "quarantined": True, "pids": 0, "uid": 1000,
     "since": "2026-11-21T03:00:01Z"},
]
SERVICES = [{"address": "10.9.0.1", "port": 80, "proto": "tcp", "names": ["web"],
             "endpoints": 2, "loopback_of": None, "nodes": ["h1", "h2"]}]
ENDPOINTS = [{"id": 1, "app": "web", "ref": "1f", "node": "local", "address": "10.9.0.1",
              "port": 80, "proto": "tcp", "real": ["127.0.0.1:40123"], "state": "up",
              "live": 0, "total": 7, "sockets": 1, "weight": 100, "cookie": 4711, "remote": False},
             {"id": 2147483649, "app": "web", "ref": "8000000000000001", "node": "h2",
              "address": "10.9.0.1", "port": 80, "proto": "tcp", "real": ["192.0.2.2:40777"],
              "state": "ejected", "live": 0, "total": 3, "sockets": 1, "weight": 100,
              "cookie": 0, "remote": True}]
NODES = [{"name": "h1", "id": "00" * 16, "self": True, "state": "alive",
          "addresses": ["192.0.2.1", "2001:db8::1"], "port": 7956, "version": "0.1.0",
          "apps": 2, "endpoints": 1, "since": "2026-11-21T03:00:00Z", "behind": False,
          "quarantine": None, "keys": ["0badcafe"]},
         {"name": "h2\u001b[31m", "id": "01" * 16, "self": False, "state": "suspect",
          "addresses": ["192.0.2.2"], "port": 7956, "version": None, "apps": 0,
          "endpoints": 0, "since": None, "behind": False,
          "quarantine": "its records are not in order", "keys": []}]
KEYS = [{"id": "0badcafe", "primary": True, "nodes": 2, "alive": 2,
         "missing": [], "until": None, "messages": 70},
        {"id": "00c0ffee", "primary": False, "nodes": 1, "alive": 2,
         "missing": ["h2"], "until": "2026-11-28T03:00:00Z", "messages": 5}]
CLUSTER = {"state": "on", "cluster": "prod", "node": "h1", "id": "00" * 16,
           "addresses": ["192.0.2.1"], "port": 7956, "pool": "patchbay", "profile": "lan",
           "encrypted": True, "identity": "signed",
           "certificate": {"ca": "0badbeef", "until": "2027-11-21T03:00:00Z"}, "devices": ["eth0"], "verified": True,
           "members": {"alive": 2, "suspect": 1, "dead": 0}, "apps": 2, "endpoints": 1,
           "remote_apps": 3, "remote_endpoints": 4, "quarantined": 1, "conflicts": 0,
           "epoch": 1, "version": 9, "applied": 7, "refused": 0, "frozen": True,
           "frozen_why": "nobody else is heard", "error": None, "seeds": 1, "keys": KEYS}
EVENT = {"time": "2026-11-21T03:00:00.123456Z", "app": "web", "ref": "1f", "peer": "cache",
         "op": "connect", "proto": "tcp", "dest": "10.9.0.2:6379", "real": None,
         "reason": "no-group", "verdict": "refuse", "errno": "EACCES", "pid": 42,
         "comm": "curl", "cookie": 5}
FLOWS = [{"client": {"app": "cli", "ref": "2f", "address": "10.9.0.2:40001"},
          "server": {"app": None, "ref": None, "address": "192.0.2.7:443"},
          "state": "client-closed", "spliced": True,
          "to_server": {"spliced": True, "ready": False, "reason": "spliced",
                        "text": "bytes bypass the stack", "bytes": 5, "msgs": 1},
          "to_client": {"spliced": False, "ready": False, "reason": "splice-gone",
                        "text": "the peer\x1b[31m has closed", "bytes": None, "msgs": None},
          "netns": 1}]
STATUS = {"version": "0.1.0", "pid": os.getpid(), "uptime_s": 12, "generation": 3,
          "mode": "enforce", "cgroup_root": "/nonexistent/patchbay", "bpffs": "/sys/fs/bpf",
          "links": [{"name": "pb_bind4", "alive": True, "current": True}],
          "maps": [{"name": "pb_apps", "entries": 2, "max": 16384}],
          "apps": 2, "services": 1, "endpoints": 1, "events_lost": 0,
          "reasons": {"group": 4, "no-group": 1, "none": 0},
          "dns": {"enabled": True, "queries": 9, "inside": 4, "forwarded": 5, "failed": 0},
          "warnings": [{"code": "W1", "text": "a warning"}]}


def error(name, message):
    return {"ok": False, "error": {"errno": name, "message": message}}


def cluster(run_dir):
    """RUN_DIR/state holds the state it is in, RUN_DIR/plain: nothing is encrypted"""
    answer = dict(CLUSTER)
    if os.path.exists(run_dir + "/state"):
        with open(run_dir + "/state", encoding="ascii") as f:
            answer["state"] = f.read().strip()
    if os.path.exists(run_dir + "/plain"):
        answer.update(encrypted=False, verified=False, devices=[])
    return answer


def drain(request):
    if request.get("app") == "none":
        return error("ENOENT", "none has no endpoint on this node")
    DRAINS.append(1)
    return {"ok": True, "endpoints": 2, "live": max(0, 3 - len(DRAINS))}


DRAINS = []


def check(request):
    allowed = request["dest"].startswith("cache")
    verdict = "allowed (group: they share grp=back)" if allowed else \
        "refused (no-group: they share no grp tag)"
    return {"ok": True, "allowed": allowed, "reason": "group" if allowed else "no-group",
            "text": f"{request['src']} -> {request['dest']}: {verdict}"}


def pid_of(fd):
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as f:
        for line in f:
            if line.startswith("Pid:"):
                return int(line.split()[1])
    return -1


def wait_for(path):
    deadline = time.monotonic() + 20
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.01)


def answers(request, run_dir):
    op = request.get("op")
    if op == "hello":
        return [{"ok": True, "version": "0.1.0", "abi": 1, "pid": os.getpid()}]
    if op == "run":
        if request.get("pid", -1) <= 0:
            return [error("EINVAL", "no pidfd came with the request")]
        if request.get("name") == "refused":
            return [error("EPERM", "uid 0 may not claim the name 'refused'")]
        if request.get("name") == "slow":
            wait_for(run_dir + "/go")
        return [{"ok": True, "scope": "s.1", "ref": "1f", "name": request.get("name", "~1f"),
                 "ips": ["10.9.0.1"], "splice": request.get("name") == "spliced"}]
    if op == "apps":
        return [{"ok": True, "apps": [] if os.path.exists(run_dir + "/empty") else APPS}]
    if op == "services":
        return [{"ok": True, "services": SERVICES}]
    if op == "endpoints":
        return [{"ok": True, "endpoints": ENDPOINTS}]
    if op == "flows":
        return [{"ok": True, "flows": FLOWS, "total": 7, "truncated": True}]
    if op == "status":
        return [{"ok": True, **STATUS}]
    if op == "events":
        return [{"event": EVENT}, {"lost": 3}, {"event": EVENT}, {"ok": True}]
    if op == "why":
        return [{"ok": True, "decisions": [EVENT], "flows": FLOWS, "flows_total": 3,
                 "answer": {k: v for k, v in check({"src": request["app"], **request}).items()
                            if k != "ok"}}]
    if op == "check":
        return [check(request)]
    if op == "policy":
        return [{"ok": True, "mode": "enforce", "rules": ["allow from web to cache:6379/tcp"]}]
    if op == "reload":
        return [{"ok": True, "changed": ["+ allow from a to b"]}]
    if op == "release":
        return [{"ok": True} if request["ref"] == "1f" else
                error("ENOENT", f"there is no scope {request['ref']}")]
    if op == "nodes":
        return [{"ok": True, "nodes": NODES}]
    if op in ("cluster", "cluster-join", "cluster-leave"):
        return [{"ok": True, **cluster(run_dir)}]
    if op in ("cluster-init", "cluster-token"):
        return [{"ok": True, "token": "pb1-TOKEN", "cluster": "prod",
                 "encrypted": cluster(run_dir)["encrypted"]}]
    if op == "keys":
        return [{"ok": True, "keys": KEYS}]
    if op == "key":
        return [{"ok": True, "id": request.get("id", "00c0ffee")} if not request.get("force") else
                error("EBUSY", "h2 has not got the key 00c0ffee")]
    if op == "drain":
        return [drain(request)]
    return [error("ENOSYS", f"there is no op '{op}'")]


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        data, fds = b"", []
        while True:
            while b"\n" not in data:
                try:
                    more, new, _, _ = socket.recv_fds(self.request, 65536, 4)
                except ConnectionResetError:
                    return
                fds += new
                if not more:
                    return
                data += more
            line, data = data.split(b"\n", 1)
            if not self.answer(json.loads(line), fds):
                return

    def answer(self, request, fds):
        run_dir = self.server.run_dir
        if fds:
            request["pid"] = pid_of(fds[0])
        with open(run_dir + "/requests", "a", encoding="utf-8") as f:
            f.write(json.dumps(request) + "\n")
        if self.server.how == "--hang":
            wait_for(run_dir + "/stop")
            return False
        if self.server.how == "--close":
            return False
        if self.server.how == "--garbage":
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return False
        for answer in answers(request, run_dir):
            try:
                self.request.sendall(json.dumps(answer).encode() + b"\n")
            except BrokenPipeError:
                return False
        while fds:
            os.close(fds.pop())
        return True


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def main():
    run_dir = sys.argv[1]
    server = Server(run_dir + "/control.sock", Handler)
    os.chmod(run_dir + "/control.sock", 0o666)
    server.run_dir = run_dir
    server.how = sys.argv[2] if len(sys.argv) > 2 else ""
    server.serve_forever()


if __name__ == "__main__":
    main()
