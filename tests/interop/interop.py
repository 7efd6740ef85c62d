"""Has the public Python package ccf judge a ledger and receipts that a node wrote.

usage: interop.py CONCORDAT_BINARY TOOLS_DIR

Starts `concordat dev` with the logging app in a scratch workspace, drives a whole
proposal with the package's own ccf_cose_sign1, writes and reads, keeps receipts,
stops the node, and then runs the package's validators over everything.
"""

import base64
import datetime
import hashlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import ccf.cose
import ccf.ledger
import ccf.receipt
import ccf.verify_ledger_secrets_chain
from cryptography.x509 import load_pem_x509_certificate

API = "?api-version=2024-07-01"
WRITES = 40


class Service:
    """A sandbox that serves the logging app."""

    def __init__(self, binary, work):
        self.common = os.path.join(work, "ws", "sandbox_common")
        self.ledger = os.path.join(work, "ws", "sandbox_0", "ledger")
        self.log = open(os.path.join(work, "node.log"), "w")
        self.process = subprocess.Popen(
            [binary, "dev", "js-apps/logging", "--workspace", os.path.join(work, "ws"), "--http-port", "0", "--members", "1", "--no-watch"],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.url = None
        for line in self.process.stdout:
            found = re.match(r"Serving at (\S+)", line)
            if found:
                self.url = found.group(1)
                break
        if not self.url:
            raise SystemExit("interop: the service did not start; see " + self.log.name)
        self.contexts = {}

    def path(self, name):
        return os.path.join(self.common, name)

    def context(self, who):
        if who not in self.contexts:
            c = ssl.create_default_context(cafile=self.path("service_cert.pem"))
            if who:
                c.load_cert_chain(self.path(who + "_cert.pem"), self.path(who + "_privk.pem"))
            self.contexts[who] = c
        return self.contexts[who]

    def call(self, method, path, who="user0", body=None, headers=None):
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, context=self.context(who), timeout=20) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as e:
            return e.code, dict(e.headers), e.read()

    def ready(self, path, who="user0", headers=None):
        for _ in range(500):
            status, _, body = self.call("GET", path, who, headers=headers)
            if status == 200:
                return body
            if status not in (202, 404):
                raise SystemExit(f"interop: GET {path}: {status} {body!r}")
            time.sleep(0.02)
        raise SystemExit(f"interop: GET {path} was never ready")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


def proposal(service, tools):
    """Registers a user by a proposal and a ballot that the package's tool signed."""
    user_key, user_cert = service.path("extra_privk.pem"), service.path("extra_cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes", "-days", "10",
                    "-subj", "/CN=extra", "-keyout", user_key, "-out", user_cert], check=True, capture_output=True)
    actions = service.path("set_user.json")
    with open(actions, "w") as f:
        json.dump({"actions": [{"name": "set_user", "args": {"cert": open(user_cert).read(), "user_data": {"from": "interop"}}}]}, f)
    answer = post_signed(service, tools, "proposal", actions, "/gov/members/proposals:create")
    member = ccf.cose.cert_fingerprint(open(service.path("member0_cert.pem")).read()).decode()
    ballot = service.path("ballot.json")
    with open(ballot, "w") as f:
        json.dump({"ballot": "export function vote(proposal, proposerId) { return true; }"}, f)
    pid = answer["proposalId"]
    answer = post_signed(service, tools, "ballot", ballot, f"/gov/members/proposals/{pid}/ballots/{member}:submit", pid)
    if answer["proposalState"] != "Accepted":
        raise SystemExit(f"interop: the proposal is {answer['proposalState']}")
    print("ccf_cose_sign1: a proposal and its ballot were accepted")


def post_signed(service, tools, kind, content, path, pid=None):
    command = [os.path.join(tools, "ccf_cose_sign1"), "--ccf-gov-msg-type", kind, "--ccf-gov-msg-created_at",
               datetime.datetime.now(tz=datetime.timezone.utc).isoformat(), "--signing-key", service.path("member0_privk.pem"),
               "--signing-cert", service.path("member0_cert.pem"), "--content", content]
    if pid:
        command += ["--ccf-gov-msg-proposal_id", pid]
    signed = subprocess.run(command, check=True, capture_output=True).stdout
    status, _, body = service.call("POST", path + API, None, signed, {"content-type": "application/cose"})
    if status != 200:
        raise SystemExit(f"interop: {kind}: {status} {body!r}")
    return json.loads(body)


def write(service):
    """Writes private and public messages and returns the transaction ids."""
    ids = []
    for i in range(WRITES):
        scope = "public" if i % 2 else "private"
        status, headers, body = service.call("POST", f"/app/log/{scope}", body=json.dumps({"id": i, "msg": f"message {i}"}).encode(),
                                             headers={"content-type": "application/json"})
        if status != 200:
            raise SystemExit(f"interop: write {i}: {status} {body!r}")
        ids.append(headers["x-ms-ccf-transaction-id"])
    for _ in range(500):
        if json.loads(service.call("GET", f"/node/tx?transaction_id={ids[-1]}")[2])["status"] == "Committed":
            return ids
        time.sleep(0.02)
    raise SystemExit("interop: the last write did not commit")


def check_json_receipts(service, ids):
    cert = load_pem_x509_certificate(open(service.path("service_cert.pem"), "rb").read())
    for txid in ids + ["2.1", "2.2"]:
        receipt = json.loads(service.ready(f"/app/receipt?transaction_id={txid}"))
        if "leaf" in receipt:
            leaf = receipt["leaf"]
        else:
            parts = receipt["leaf_components"]
            evidence = hashlib.sha256(parts["commit_evidence"].encode()).digest()
            leaf = hashlib.sha256(bytes.fromhex(parts["write_set_digest"]) + evidence + bytes.fromhex(parts["claims_digest"])).hexdigest()
        node = load_pem_x509_certificate(receipt["cert"].encode())
        ccf.receipt.verify(ccf.receipt.root(leaf, receipt["proof"]), receipt["signature"], node)
        ccf.receipt.check_endorsements(node, cert, [])
    print(f"ccf.receipt: {len(ids) + 2} JSON receipts verify")


def check_cose_receipts(service, ids):
    key = load_pem_x509_certificate(open(service.path("service_cert.pem"), "rb").read()).public_key()
    for txid in ids:
        claims = bytes.fromhex(json.loads(service.ready(f"/app/receipt?transaction_id={txid}"))["leaf_components"]["claims_digest"])
        ccf.receipt.verify_cose(service.ready(f"/app/receipt?transaction_id={txid}&format=cose"), key, claims)
    print(f"ccf.receipt.verify_cose: {len(ids)} COSE receipts verify")


def check_ledger(ledger):
    for committed_only in (True, False):
        validator = ccf.ledger.LedgerValidator(accept_deprecated_entry_types=False)
        chunks = ccf.ledger.Ledger([ledger], committed_only=committed_only, verification_level=ccf.ledger.VerificationLevel.FULL)
        for chunk in chunks:
            for transaction in chunk:
                validator.add_transaction(transaction)
        if validator.signature_count == 0 or validator.last_verified_seqno == 0:
            raise SystemExit("interop: the validator saw no signature")
        print(f"ccf.ledger: {validator.transaction_count} transactions, {validator.signature_count} signatures, "
              f"verified up to {validator.last_verified_txid()} ({'committed chunks' if committed_only else 'all chunks'})")
    if ccf.verify_ledger_secrets_chain.run([ledger], uncommitted=True) is False:
        raise SystemExit("interop: the chain of ledger secrets was refused")
    print("ccf.verify_ledger_secrets_chain: accepted")


def main():
    binary, tools = sys.argv[1:]
    work = tempfile.mkdtemp(prefix="concordat-interop-")
    try:
        service = Service(binary, work)
        try:
            proposal(service, tools)
            ids = write(service)
            check_json_receipts(service, ids)
            check_cose_receipts(service, ids)
        finally:
            service.stop()
        check_ledger(service.ledger)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("interop: the package ccf accepts everything")


if __name__ == "__main__":
    main()
