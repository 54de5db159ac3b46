#!/usr/bin/env python3
"""Verifies an evidence bundle of Daybook: Python 3.9 or newer, its standard library, and nothing else.

    python3 verify_bundle.py FOLDER [--key KEY] [--witness KEY]... [--policy FILE] [--checkpoint NOTE]... [--json]

It is written to be read. It shares no code with Daybook: hashes are RFC 6962, signatures Ed25519 (RFC 8032) in C2SP
signed notes, JSON canonical as RFC 8785 says. The page "Evidence" of Daybook's documentation describes every file.

Exit code: 0 where nothing contradicts the bundle, 2 where something does, 64 for a wrong command line.
"""

import argparse
import base64
import binascii
import datetime
import errno
import hashlib
import json
import math
import os
import re
import stat
import sys

FORMAT = "daybook-evidence/1"
NEEDED = ["checkpoint.note", "verifier.key", "headers.jsonl", "events.jsonl", "proofs.json"]
UNFINISHED = "export.partial.json"
MOST_FAULTS = 100
# The files that are read whole have at most so many bytes.
MOST_BYTES = 64 << 20


# ---------------------------------------------------------------------------------------------------------------------
# Ed25519 (RFC 8032 section 5.1): only verification, so nothing here is secret and nothing needs constant time.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def point_add(a, b):
    """The sum of two points of the curve in extended coordinates (X, Y, Z, T), with x = X/Z, y = Y/Z, xy = T/Z."""
    m1 = (a[1] - a[0]) * (b[1] - b[0]) % P
    m2 = (a[1] + a[0]) * (b[1] + b[0]) % P
    m3 = 2 * a[3] * b[3] * D % P
    m4 = 2 * a[2] * b[2] % P
    e, f, g, h = m2 - m1, m4 - m3, m4 + m3, m2 + m1
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def point_multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar > 0:
        if scalar & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        scalar >>= 1
    return result


def recover_x(y, sign):
    """The x of a point by its y and the lowest bit of x; None where there is no such point."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P != 0:
        return None
    return P - x if (x & 1) != sign else x


def decode_point(data):
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (recover_x(BASE_Y, 0), BASE_Y, 1, recover_x(BASE_Y, 0) * BASE_Y % P)


def ed25519_verify(public_key, message, signature):
    """Whether a signature of 64 bytes is that of the message under a public key of 32 bytes."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key = decode_point(public_key)
    commitment = decode_point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    left = point_multiply(scalar, BASE)
    right = point_add(commitment, point_multiply(challenge, key))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# ---------------------------------------------------------------------------------------------------------------------
# Base64, canonical JSON (RFC 8785)


def unbase64(text):
    """The bytes of base64 as there is one way to write it; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode("ascii") == text else None


def digest_of(text):
    """A hash of 32 bytes in base64; None for anything else."""
    data = unbase64(text)
    return data if data is not None and len(data) == 32 else None


class NotJSON(ValueError):
    """The bytes are no JSON, or an object has a member twice."""


def no_duplicates(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotJSON("a member stands twice")
    return result


def refuse_constant(name):
    raise NotJSON(name + " is no JSON")


def parse_json(data):
    """The value of UTF-8 bytes that are one JSON text."""
    try:
        text = data.decode("utf-8")
        return json.loads(text, object_pairs_hook=no_duplicates, parse_constant=refuse_constant)
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise NotJSON(str(error)) from None


def number_text(value):
    """A double as ECMAScript writes it (RFC 8785 section 3.2.2.3)."""
    if not math.isfinite(value):
        raise NotJSON("a number is too large")
    if value == 0:
        return "0"
    # Python's repr has the shortest digits that give the same double, as ECMAScript demands; only the form differs.
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    if 0 < point <= 21:
        text = digits[:point].ljust(point, "0")
        if len(digits) > point:
            text += "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        text += "e" + ("+" if point > 0 else "-") + str(abs(point - 1))
    return ("-" if value < 0 else "") + text


ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def string_text(text):
    return '"' + re.sub(r'["\\\x00-\x1f]', lambda m: ESCAPES.get(m[0], "\\u%04x" % ord(m[0])), text) + '"'


def canonical_text(value):
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, int):
        # Daybook's one departure from the RFC: an integer beyond 2^53 keeps its digits.
        return str(value)
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, list):
        return "[" + ",".join(canonical_text(element) for element in value) + "]"
    # Members are sorted by the UTF-16 code units of their names.
    members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(string_text(name) + ":" + canonical_text(element) for name, element in members) + "}"


def canonical(value):
    """The canonical bytes of a JSON value."""
    try:
        return canonical_text(value).encode("utf-8")
    except UnicodeEncodeError:
        raise NotJSON("a string holds half of a surrogate pair") from None
    except RecursionError:
        raise NotJSON("it is nested too deep") from None


# ---------------------------------------------------------------------------------------------------------------------
# The tree (RFC 6962 section 2.1)


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(header):
    return sha256(b"\x00" + header)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


class Frontier:
    """The complete subtrees of a tree from left to right, as (height, root): what gives its root while it grows."""

    def __init__(self, size, hashes):
        heights = [bit for bit in range(size.bit_length() - 1, -1, -1) if size >> bit & 1]
        if len(heights) != len(hashes):
            raise ValueError("a tree of %d leaves has %d complete subtrees" % (size, len(heights)))
        self.size = size
        self.subtrees = list(zip(heights, hashes))

    def append(self, leaf):
        height = 0
        while self.subtrees and self.subtrees[-1][0] == height:
            leaf = node_hash(self.subtrees.pop()[1], leaf)
            height += 1
        self.subtrees.append((height, leaf))
        self.size += 1

    def root(self):
        if not self.subtrees:
            return sha256(b"")
        root = self.subtrees[-1][1]
        for _, left in reversed(self.subtrees[:-1]):
            root = node_hash(left, root)
        return root


def sides(index, size):
    """On which side of the way from a leaf up to the root each sibling lies (RFC 9162 section 2.1.3.2)."""
    last = size - 1
    while last:
        if index & 1 or index == last:
            yield "left"
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            yield "right"
        index >>= 1
        last >>= 1


def whole_root(leaf, index, size, left, right):
    """The root above the last leaf of the range: what lies left of it (from left to right) and right of it is given."""
    left, right = list(left), list(right)
    for side in sides(index, size):
        if side == "left":
            if not left:
                return None
            leaf = node_hash(left.pop(), leaf)
        else:
            if not right:
                return None
            leaf = node_hash(leaf, right.pop(0))
    return leaf if not left and not right else None


def inclusion_root(leaf, index, size, hashes):
    """The root of so many leaves to which a leaf leads by an inclusion proof (RFC 9162 section 2.1.3.2)."""
    position, last, result = index, size - 1, leaf
    for sibling in hashes:
        if last == 0:
            return None
        if position & 1 or position == last:
            result = node_hash(sibling, result)
            while not position & 1 and position != 0:
                position >>= 1
                last >>= 1
        else:
            result = node_hash(result, sibling)
        position >>= 1
        last >>= 1
    return result if last == 0 else None


def is_consistent(old_size, new_size, old_root, new_root, proof):
    """Whether the first tree is the beginning of the second (RFC 9162 section 2.1.4.2)."""
    if not 0 < old_size < new_size or not proof:
        return False
    proof = list(proof)
    if old_size & (old_size - 1) == 0:
        proof.insert(0, old_root)
    index, last = old_size - 1, new_size - 1
    while index & 1:
        index >>= 1
        last >>= 1
    old = new = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            return False
        if index & 1 or index == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        index >>= 1
        last >>= 1
    return last == 0 and old == old_root and new == new_root


# ---------------------------------------------------------------------------------------------------------------------
# Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint)


class Key:
    """A public key as text: name+key id in hex+base64 of the kind and the 32 bytes of an Ed25519 key.

    The kind is a byte: 1 for a key that signs notes, 4 for one of a witness that cosigns checkpoints.
    """

    def __init__(self, text, kind=1):
        parts = text.split("+", 2)
        data = unbase64(parts[2]) if len(parts) == 3 else None
        if data is None or len(data) != 33 or data[0] != kind or not parts[0] or re.search(r"\s", parts[0]):
            raise ValueError("it is not name+key id+base64 of an Ed25519 key")
        self.text = text
        self.name = parts[0]
        self.public_key = data[1:]
        self.id = sha256(self.name.encode("utf-8") + b"\n" + data)[:4]
        if parts[1] != self.id.hex():
            raise ValueError("its key id is not that of its name and key")


def parse_note(data):
    """The text of a signed note, and its signatures as (name, key id, signature); None where it is none."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    text, mark, tail = data.rpartition(b"\n\n")
    if not mark or not tail.endswith(b"\n") or any(byte < 0x20 and byte != 0x0A for byte in data):
        return None
    signatures = []
    for line in tail[:-1].split(b"\n"):
        match = re.fullmatch("\u2014 ([^\\s+]+) ([A-Za-z0-9+/]+=*)", line.decode("utf-8"))
        blob = unbase64(match[2]) if match else None
        if blob is None or len(blob) < 5:
            return None
        signatures.append((match[1], blob[:4], blob[4:]))
    return text + b"\n", signatures


def is_signed(note, key):
    """Whether a note bears the key's signature, and every signature that claims to be the key's is right."""
    text, signatures = note
    own = [signature for name, id, signature in signatures if name == key.name and id == key.id]
    return bool(own) and all(ed25519_verify(key.public_key, text, signature) for signature in own)


def cosigned_at(note, key):
    """When a witness says that it has seen a checkpoint (C2SP cosignature/v1), in seconds; None where it doesn't."""
    text, signatures = note
    times = []
    for signature in [signature for name, id, signature in signatures if name == key.name and id == key.id]:
        time = int.from_bytes(signature[:8], "big")
        if not ed25519_verify(key.public_key, b"cosignature/v1\ntime %d\n" % time + text, signature[8:]):
            return None
        times.append(time)
    return max(times) if times and max(times) <= 253402300799 else None


def parse_checkpoint(text):
    """The origin, size and root that a checkpoint states; None where the text is none."""
    lines = text.decode("utf-8").split("\n")
    if len(lines) < 4 or lines[-1] or not re.fullmatch("0|[1-9][0-9]*", lines[1]) or digest_of(lines[2]) is None:
        return None
    return lines[0], int(lines[1]), digest_of(lines[2])


# ---------------------------------------------------------------------------------------------------------------------
# The filter


def accepts(filter, header):
    """Whether the filter of the export asks for an event, by its header alone."""
    kind = header["event"].partition(".")[0]
    if "organization_id" in filter and header.get("organization") != filter["organization_id"]:
        return False
    if "actor" in filter and filter["actor"] not in (header["actor"], "user:" + header.get("on_behalf_of", "")):
        return False
    if "resource_ids" in filter and header["resource"] not in filter["resource_ids"]:
        return False
    if "resource_types" in filter and kind not in filter["resource_types"]:
        return False
    if "events" in filter:
        return any(
            wanted == header["event"]
            or (len(wanted) > 2 and wanted.endswith(".*") and header["event"].startswith(wanted[:-1]))
            for wanted in filter["events"]
        )
    return True


def words_of(filter):
    text = "events"
    if "organization_id" in filter:
        text += " of the organization " + filter["organization_id"]
    if "resource_types" in filter:
        text += " about " + ", ".join(filter["resource_types"])
    if "resource_ids" in filter:
        text += " of the resources " + ", ".join(filter["resource_ids"])
    if "events" in filter:
        text += " named " + ", ".join(filter["events"])
    if "actor" in filter:
        text += " by " + filter["actor"]
    return text


def is_filter(value):
    if not isinstance(value, dict):
        return False
    for name, element in value.items():
        if name in ("organization_id", "actor"):
            if not isinstance(element, str):
                return False
        elif name in ("resource_types", "resource_ids", "events"):
            if not isinstance(element, list) or not element or not all(isinstance(one, str) for one in element):
                return False
        else:
            return False
    return True


def is_terms(terms):
    """Whether terms have every member that they must have, of the right kind, and no other."""
    kinds = {
        "actor": str, "at": str, "decrypted": bool, "events": int, "export": str, "filter": dict, "first": int,
        "headers_of": (str, type(None)), "last": int, "root": str, "since": (str, type(None)), "tree_size": int,
        "until": (str, type(None)), "withheld": int, "withheld_types": list,
    }  # fmt: skip
    if not isinstance(terms, dict) or set(terms) != set(kinds):
        return False
    if not all(isinstance(terms[name], kind) for name, kind in kinds.items()):
        return False
    return (
        1 <= terms["first"] <= terms["last"] <= terms["tree_size"]
        and terms["events"] >= 0
        and terms["withheld"] >= 0
        and digest_of(terms["root"]) is not None
        and is_filter(terms["filter"])
        and all(isinstance(kind, str) for kind in terms["withheld_types"])
    )


HEADER_MEMBERS = {
    "actor": str, "at": str, "body": str, "event": str, "id": str, "position": int, "resource": str, "schema": str,
    "version": int,
}  # fmt: skip


def is_header(value):
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(name), kind) for name, kind in HEADER_MEMBERS.items())
        and isinstance(value.get("organization", ""), str)
        and isinstance(value.get("on_behalf_of", ""), str)
        and digest_of(value["body"]) is not None
    )


class Policy:
    """Whose signatures make a checkpoint valid (C2SP tlog-policy): logs, witnesses, groups of them, and the quorum.

    Names are bytes, and two are one where their bytes are equal.
    """

    def __init__(self, data):
        self.logs = []
        self.witnesses = {}
        # Name to (threshold, members), in the order of the lines: a member is defined before its group.
        self.groups = {}
        self.quorum = None
        has_quorum = False
        members = set()
        for number, line in enumerate(data.split(b"\n"), 1):
            try:
                if any(byte < 0x20 and byte != 0x09 or byte == 0x7F for byte in line):
                    raise ValueError("the only control characters of a policy are tabs and line feeds")
                items = [item for item in re.split(b"[ \t]+", line) if item]
                if not items or items[0].startswith(b"#"):
                    continue
                word = items[0]
                if word == b"log" and len(items) in (2, 3):
                    key = Key(items[1].decode("utf-8"))
                    if any(log.public_key == key.public_key for log in self.logs):
                        raise ValueError("the log's key is that of another log line")
                    self.logs.append(key)
                elif word == b"witness" and len(items) in (3, 4):
                    key = Key(items[2].decode("utf-8"), 4)
                    if any(witness.public_key == key.public_key for witness in self.witnesses.values()):
                        raise ValueError("the witness's key is that of another witness line")
                    self.define(items[1])
                    self.witnesses[items[1]] = key
                elif word == b"group" and len(items) >= 4:
                    takes = {b"all": len(items) - 3, b"any": 1}.get(items[2])
                    if takes is None:
                        if not re.fullmatch(b"[1-9][0-9]{0,9}", items[2]):
                            raise ValueError("a group takes all, any, or a decimal number of its members")
                        takes = int(items[2])
                    if takes > len(items) - 3:
                        raise ValueError("a group takes at least 1 of its members, and at most all of them")
                    for name in items[3:]:
                        if name not in self.witnesses and name not in self.groups:
                            raise ValueError("%s is no witness or group of a line before" % text_of(name))
                        if name in members:
                            raise ValueError("%s is a member of a group already" % text_of(name))
                        members.add(name)
                    self.define(items[1])
                    self.groups[items[1]] = (takes, items[3:])
                elif word == b"quorum" and len(items) == 2:
                    if has_quorum:
                        raise ValueError("it is a second quorum, and a policy has one")
                    has_quorum = True
                    if items[1] != b"none":
                        if items[1] not in self.witnesses and items[1] not in self.groups:
                            raise ValueError("the quorum %s is no witness or group of a line before" % text_of(items[1]))
                        self.quorum = items[1]
                else:
                    raise ValueError("it is no log, witness, group or quorum line (C2SP tlog-policy)")
            except ValueError as error:
                raise ValueError("line %d of the policy: %s" % (number, error)) from None
        if not has_quorum:
            raise ValueError("the policy has no quorum line; quorum none asks for nobody")

    def define(self, name):
        if name == b"none":
            raise ValueError("none is no name for a witness or group")
        if name in self.witnesses or name in self.groups:
            raise ValueError("%s is the name of another witness or group" % text_of(name))

    def unmet(self, note):
        """Why the note doesn't meet the quorum, as a part of a sentence; None where it does."""
        if self.quorum is None:
            return None
        seen = {name for name, key in self.witnesses.items() if cosigned_at(note, key) is not None}
        for name, (takes, members) in self.groups.items():
            if sum(member in seen for member in members) >= takes:
                seen.add(name)
        if self.quorum in seen:
            return None
        if self.quorum in self.witnesses:
            return "the witness %s has not cosigned" % text_of(self.quorum)
        takes, members = self.groups[self.quorum]
        return "the quorum %s takes %d of %s, and has %d" % (
            text_of(self.quorum),
            takes,
            ", ".join(text_of(member) for member in members),
            sum(member in seen for member in members),
        )


def text_of(name):
    return name.decode("utf-8", "replace")


# ---------------------------------------------------------------------------------------------------------------------
# The bundle


class Verifier:
    def __init__(self, folder, key, witnesses, checkpoints, policy=None):
        self.folder = folder
        self.witnesses = witnesses
        self.policy = policy
        self.trusted = key
        self.key = key
        self.checkpoints = checkpoints
        self.proved = []
        self.not_proved = []
        self.faults = []
        self.further_faults = 0
        # The roots of the sizes that kept checkpoints name, as far as the range gives them.
        self.roots = {}

    def fault(self, file, what, line=None, position=None):
        if len(self.faults) < MOST_FAULTS:
            self.faults.append({"file": file, "line": line, "position": position, "what": what})
        else:
            self.further_faults += 1

    @property
    def fault_count(self):
        return len(self.faults) + self.further_faults

    def path(self, name):
        return os.path.join(self.folder, name)

    def open(self, name):
        """A file of the bundle: one that lies in its folder, and neither a link nor a pipe."""
        descriptor = os.open(self.path(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is no regular file", self.path(name))
            return os.fdopen(descriptor, "rb")
        except OSError:
            os.close(descriptor)
            raise

    def read(self, name):
        try:
            with self.open(name) as file:
                data = file.read(MOST_BYTES + 1)
                if len(data) <= MOST_BYTES:
                    return data
                self.fault(name, "is larger than any such file is")
        except FileNotFoundError:
            self.fault(name, "is missing")
        except OSError as error:
            self.fault(name, "can't be read: %s" % error.strerror)
        return None

    def run(self):
        if os.path.exists(self.path(UNFINISHED)):
            self.fault(UNFINISHED, "is there, so this bundle was never finished: run the export again")
        data = self.read("manifest.json")
        if data is None:
            return
        self.manifest = self.parse_manifest(data)
        if self.manifest is None:
            return
        self.terms = self.manifest["terms"]
        self.check_files()
        self.choose_key()
        self.check_statement(data)
        self.check_checkpoint()
        self.check_range()
        for name, note in self.checkpoints:
            self.check_kept(name, note)
        self.tell_limits()

    def parse_manifest(self, data):
        def refuse(what):
            self.fault("manifest.json", what)

        try:
            manifest = parse_json(data)
            if not data.endswith(b"\n") or canonical(manifest) + b"\n" != data:
                return refuse("is not canonical JSON on one line")
        except NotJSON as error:
            return refuse("is not one line of JSON (%s)" % error)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            return refuse("is not of the format %s, which is the only one that this program knows" % FORMAT)
        if not is_terms(manifest.get("terms")):
            return refuse("names terms of the export that can't be, or that this program doesn't know")
        files = manifest.get("files")
        if not isinstance(files, dict) or not isinstance(manifest.get("origin"), str):
            return refuse("lacks a member")
        for name, file in files.items():
            if (
                not name
                or name.startswith(".")
                or "/" in name
                or "\0" in name
                or not isinstance(file, dict)
                or not isinstance(file.get("bytes"), int)
                or not re.fullmatch("[0-9a-f]{64}", str(file.get("sha256")))
            ):
                return refuse("says of a file neither its size nor its SHA-256, or names one outside of the folder")
        return manifest

    def check_files(self):
        before = self.fault_count
        files = self.manifest["files"]
        for name in sorted(os.listdir(self.folder)):
            if name not in files and name not in ("manifest.json", "manifest.note", UNFINISHED):
                self.fault(name, "is in the folder, and the manifest doesn't know it")
        for name in NEEDED:
            if name not in files:
                self.fault("manifest.json", "doesn't list %s, without which nothing can be verified" % name)
        for name, file in files.items():
            digest, size = hashlib.sha256(), 0
            try:
                with self.open(name) as stream:
                    for chunk in iter(lambda: stream.read(1 << 18), b""):
                        digest.update(chunk)
                        size += len(chunk)
            except FileNotFoundError:
                self.fault(name, "is missing")
                continue
            except OSError as error:
                self.fault(name, "can't be read: %s" % error.strerror)
                continue
            if size != file["bytes"] or digest.hexdigest() != file["sha256"]:
                self.fault(
                    name,
                    "is not the file that the manifest lists: its SHA-256 is %s, not %s"
                    % (digest.hexdigest(), file["sha256"]),
                )
        if self.fault_count == before:
            self.proved.append("Each of the %d files has the SHA-256 that the manifest lists." % len(files))

    def choose_key(self):
        enclosed = None
        data = self.read("verifier.key")
        if data is not None:
            try:
                text = data.decode("utf-8")
                if not text.endswith("\n"):
                    raise ValueError("it has no line break")
                enclosed = Key(text[:-1])
            except ValueError:
                self.fault("verifier.key", "is no public key")
        if not self.trusted and self.policy and self.policy.logs and enclosed:
            self.trusted = next((log for log in self.policy.logs if log.text == enclosed.text), None)
            if not self.trusted:
                self.fault("verifier.key", "is the key of no log of the policy: it is " + enclosed.text)
        self.key = self.trusted or enclosed
        if self.key is None:
            return
        if self.trusted and enclosed and self.trusted.text != enclosed.text:
            self.fault(
                "verifier.key",
                "is not the key that you trust: it is %s, and yours is %s" % (enclosed.text, self.trusted.text),
            )
        if self.key.name != self.manifest["origin"]:
            self.fault(
                "manifest.json",
                "names the log %s, and the key is that of %s" % (self.manifest["origin"], self.key.name),
            )
        if not self.trusted:
            self.not_proved.append(
                "That the key is that of the log you mean: it came with the bundle. Compare it with one that you got "
                "another way, or give that one with --key. It is " + self.key.text
            )

    def check_statement(self, manifest_bytes):
        data = self.read("manifest.note")
        if data is None or self.key is None:
            return
        note = parse_note(data)
        if note is None:
            return self.fault("manifest.note", "is no signed note (C2SP signed-note)")
        if len(note[1]) != 1 or not is_signed(note, self.key):
            return self.fault("manifest.note", "doesn't bear the signature of %s, and no other" % self.key.text)
        digest = hashlib.sha256(manifest_bytes).hexdigest()
        terms = self.terms
        expected = "daybook export\n%s\n%s\n" % (terms["export"], digest)
        if note[0] != expected.encode("utf-8") + canonical(terms) + b"\n":
            if note[0].split(b"\n")[2:3] == [digest.encode("ascii")]:
                return self.fault("manifest.json", "has terms that are not those which the log recorded and signed")
            return self.fault(
                "manifest.json", "is not the manifest that the log signed: its SHA-256 is %s" % digest
            )
        self.proved.append(
            "The log %s signed this manifest as that of the export %s, which %s asked for at %s."
            % (self.manifest["origin"], terms["export"], terms["actor"], terms["at"])
        )

    def check_checkpoint(self):
        data = self.read("checkpoint.note")
        if data is None or self.key is None:
            return
        note = parse_note(data)
        if note is None:
            return self.fault("checkpoint.note", "is no signed note (C2SP signed-note)")
        if not is_signed(note, self.key):
            return self.fault("checkpoint.note", "doesn't bear the signature of %s" % self.key.text)
        checkpoint = parse_checkpoint(note[0])
        if checkpoint is None or checkpoint[0] != self.manifest["origin"]:
            return self.fault("checkpoint.note", "is no checkpoint of the log %s" % self.manifest["origin"])
        _, size, root = checkpoint
        if size != self.terms["tree_size"] or root != digest_of(self.terms["root"]):
            return self.fault(
                "checkpoint.note",
                "is of a tree of %d events, and not of the one that the manifest names, of %d"
                % (size, self.terms["tree_size"]),
            )
        self.proved.append(
            "The log %s signed the tree of its first %d events, with the root %s."
            % (self.manifest["origin"], size, self.terms["root"])
        )
        signers = {(name, id) for name, id, _ in note[1]}
        for key in self.witnesses:
            if (key.name, key.id) not in signers:
                self.fault("checkpoint.note", "bears no cosignature of %s, whose key was given" % key.name)
        known = self.witnesses + list(self.policy.witnesses.values() if self.policy else [])
        others = [(name, id) for name, id, _ in note[1] if (name, id) != (self.key.name, self.key.id)]
        for name, id in others:
            witness = next((key for key in known if (key.name, key.id) == (name, id)), None)
            if witness is None:
                self.not_proved.append(
                    "The signature of %s on the checkpoint: its key was not given (--witness, --policy)." % name
                )
                continue
            time = cosigned_at(note, witness)
            if time is None:
                self.fault("checkpoint.note", "bears a signature of %s that is wrong" % name)
            else:
                moment = datetime.datetime.fromtimestamp(time, datetime.timezone.utc)
                self.proved.append(
                    "The witness %s has seen that tree, at %s." % (name, moment.strftime("%Y-%m-%dT%H:%M:%S.000000Z"))
                )
        if self.policy and self.policy.quorum is not None:
            unmet = self.policy.unmet(note)
            if unmet:
                self.fault("checkpoint.note", "doesn't meet the policy: " + unmet)
            else:
                self.proved.append(
                    "The policy is met: the quorum of witnesses that it asks for has seen that tree."
                )
        if not others:
            self.not_proved.append(
                "That the log showed the same tree to others, and when: no witness has cosigned the checkpoint."
            )

    def check_range(self):
        """Rebuilds the root of all headers, applies the filter to each, and compares the records with what it asks."""
        before = self.fault_count
        terms = self.terms
        data = self.read("proofs.json")
        if data is None:
            return
        try:
            proofs = parse_json(data)
            left = [digest_of(text) for text in proofs["left"]]
            right = [digest_of(text) for text in proofs["right"]]
            if None in left or None in right:
                raise ValueError("a hash is none")
            place = (proofs["first"], proofs["last"], proofs["tree_size"])
            tree = Frontier(terms["first"] - 1, left)
        except (ValueError, KeyError, TypeError) as error:
            return self.fault("proofs.json", "is no proof of this range (%s)" % error)
        if place != (terms["first"], terms["last"], terms["tree_size"]):
            return self.fault("proofs.json", "is about another range than the manifest")
        consistency = proofs.get("consistency")
        self.consistency = [
            proof
            for proof in (consistency if isinstance(consistency, list) else [])
            if isinstance(proof, dict) and isinstance(proof.get("hashes"), list)
        ]
        wanted_sizes = set(self.kept_sizes())
        try:
            with self.open("headers.jsonl") as headers, self.open("events.jsonl") as events:
                walk = Walk(self, headers, events, tree, wanted_sizes)
                if not walk.run():
                    return
        except OSError as error:
            return self.fault("headers.jsonl", "or the records can't be read: %s" % error.strerror)
        root = whole_root(walk.last_leaf, terms["last"] - 1, terms["tree_size"], walk.before_last, right)
        if root != digest_of(terms["root"]):
            return self.fault(
                "proofs.json" if self.fault_count == before else "headers.jsonl",
                "doesn't lead to the root that the log signed: a header, or a hash of the proof, is another one",
            )
        walk.check_drops()
        self.tell_range(walk, self.fault_count == before)

    def tell_range(self, walk, is_whole):
        terms = self.terms
        self.proved.append(
            "The headers of the positions %d to %d are all there, in order, and lead to the signed root: none was left "
            "out, added, changed or moved." % (terms["first"], terms["last"])
        )
        if not is_whole:
            return
        if not walk.claims:
            self.proved.append(
                "Each of the %d records has the body that its header commits to, byte for byte, in canonical JSON."
                % walk.records
            )
        else:
            count = len(walk.claims)
            events = sorted({event for _, _, event, _ in walk.claims})
            self.proved.append(
                "Of the %d records all but %d have the body that their header commits to, byte for byte, in canonical "
                "JSON." % (walk.records, count)
            )
            self.proved.append(
                "The bodies of these %d were dropped from the log by the events at the positions %s, which are in the "
                "signed tree and name, by its hash, what stands in the place of each."
                % (count, ", ".join(str(event) for event in events))
            )
            self.not_proved.append(
                "What the %d dropped bodies said besides what stands in their place: it was taken out for good, and "
                "their headers, which are proved, keep its hash alone." % count
            )
        what = words_of(terms["filter"])
        if walk.withheld == 0:
            self.proved.append(
                "The bundle holds all %s from %d to %d that the log of %d had: %d."
                % (what, terms["first"], terms["last"], terms["tree_size"], walk.records)
            )
        else:
            self.proved.append(
                "Of the %d headers that are shown, the bundle holds every record that is among %s: %d."
                % (walk.shown, what, walk.records)
            )
            self.not_proved.append(
                "That none of the %d headers that are shown as a hash alone is among %s: their content is not for the "
                "one who asked. The log's own count, which it signed, is %d." % (walk.withheld, what, terms["events"])
            )
        if terms["since"] or terms["until"]:
            self.not_proved.append(
                "That the times which were asked for (%s to %s) are the positions %d to %d: the log says so."
                % (terms["since"] or "the beginning", terms["until"] or "the end", terms["first"], terms["last"])
            )

    def kept_sizes(self):
        for _, data in self.checkpoints:
            note = parse_note(data)
            checkpoint = parse_checkpoint(note[0]) if note else None
            if checkpoint:
                yield checkpoint[1]

    def check_kept(self, name, data):
        """Compares the log with a checkpoint that somebody has kept."""
        if self.key is None:
            return
        terms, origin = self.terms, self.manifest["origin"]
        note = parse_note(data)
        checkpoint = parse_checkpoint(note[0]) if note and is_signed(note, self.key) else None
        if checkpoint is None or checkpoint[0] != origin:
            return self.fault(name, "is no checkpoint of the log %s, signed by %s" % (origin, self.key.text))
        _, size, root = checkpoint
        signed_root = digest_of(terms["root"])
        proof = next((p for p in getattr(self, "consistency", []) if p.get("from_size") == size), None)
        if size > terms["tree_size"]:
            return self.fault(
                name,
                "is of a tree of %d events, and the bundle of one of %d: either it was made after the bundle, or the "
                "log was cut" % (size, terms["tree_size"]),
            )
        if size == terms["tree_size"]:
            is_same = root == signed_root
        elif size in self.roots:
            is_same = root == self.roots[size]
        elif proof:
            hashes = [digest_of(text) for text in proof.get("hashes", [])]
            is_same = None not in hashes and is_consistent(size, terms["tree_size"], root, signed_root, hashes)
        else:
            return self.fault(
                name,
                "is of a tree of %d events, about which this bundle says nothing: its headers begin at %d and end at "
                "%d. Make one with --checkpoint %s, or a wider one" % (size, terms["first"], terms["last"], name),
            )
        if not is_same:
            return self.fault(
                name,
                "is of another history: its tree of %d events has a root which the log of this bundle never had. The "
                "log was forked, and its key signed both" % size,
            )
        self.proved.append(
            "The log is the one of %s, grown from %d to %d events without a change: it was neither cut nor forked since."
            % (name, size, terms["tree_size"])
        )

    def tell_limits(self):
        if not self.checkpoints:
            self.not_proved.append(
                "That the log was never cut or forked: give a checkpoint that you kept from before with --checkpoint."
            )
        views = [name for name in self.manifest["files"] if name not in NEEDED + ["drops.jsonl"]]
        if views:
            self.not_proved.append(
                "What %s say: these are made of the records, to be read; the records are the evidence."
                % ", ".join(views)
            )
        self.not_proved.append(
            "What for, why parts are left out, and by which program: the manifest says so in the words of whoever made it."
        )
        self.not_proved.append(
            "What sealed values say: they are encrypted, and stand in the records as they are hashed."
        )


class Walk:
    """One way through headers.jsonl and events.jsonl, side by side."""

    def __init__(self, verifier, headers, events, tree, wanted_sizes):
        self.verifier = verifier
        self.terms = verifier.terms
        self.headers = headers
        self.events = events
        self.tree = tree
        self.wanted_sizes = wanted_sizes
        self.event = None
        self.event_position = None
        self.event_line = 0
        self.records = self.shown = self.withheld = 0
        # Bodies that stand for dropped ones, as (line, position, event, hash), and what events name: {event: {position:
        # hash}}.
        self.claims = []
        self.names = {}
        # What whole_root needs of the last leaf: its hash, and the complete subtrees before it.
        self.last_leaf = None
        self.before_last = []

    def run(self):
        terms = self.terms
        self.next_event()
        self.note_root()
        position = terms["first"]
        for number, raw in enumerate(self.headers, 1):
            line = raw[:-1] if raw.endswith(b"\n") else raw
            if raw == line:
                self.verifier.fault("headers.jsonl", "has no line break at its end", number)
            if position > terms["last"]:
                self.verifier.fault(
                    "headers.jsonl", "is beyond the last position of the range, %d" % terms["last"], number, position
                )
                return False
            leaf = self.check_header(line, number, position)
            if leaf is None:
                return False
            self.before_last = [root for _, root in self.tree.subtrees]
            self.last_leaf = leaf
            self.tree.append(leaf)
            self.note_root()
            position += 1
        if position <= terms["last"]:
            self.verifier.fault(
                "headers.jsonl", "is missing, and every position up to %d" % terms["last"], None, position
            )
            return False
        while self.event is not None:
            self.tell_foreign()
            self.next_event()
        if self.withheld != terms["withheld"]:
            self.verifier.fault(
                "headers.jsonl", "withholds %d headers, and the log recorded %d" % (self.withheld, terms["withheld"])
            )
        if self.records != terms["events"]:
            self.verifier.fault(
                "events.jsonl", "has %d records, and the log counted %d" % (self.records, terms["events"])
            )
        return True

    def note_root(self):
        if self.tree.size in self.wanted_sizes:
            self.verifier.roots[self.tree.size] = self.tree.root()

    def next_event(self):
        raw = self.events.readline()
        self.event = self.event_position = None
        if not raw:
            return
        self.event_line += 1
        self.event = raw[:-1] if raw.endswith(b"\n") else raw
        if raw == self.event:
            self.verifier.fault("events.jsonl", "has no line break at its end", self.event_line)
        try:
            position = parse_json(self.event)["header"]["position"]
            self.event_position = position if isinstance(position, int) else None
        except (NotJSON, KeyError, TypeError):
            pass

    def tell_foreign(self):
        self.verifier.fault(
            "events.jsonl",
            "is a record that the filter doesn't ask for, or is there twice",
            self.event_line,
            self.event_position,
        )

    def check_header(self, line, number, position):
        """The leaf hash of one line; None, and a fault, where there is none."""
        terms = self.terms

        def refuse(what):
            self.verifier.fault("headers.jsonl", what, number, position)

        try:
            header = parse_json(line)
            if canonical(header) != line:
                refuse("is not in canonical form (RFC 8785)")
        except NotJSON as error:
            return refuse("is not JSON (%s)" % error)
        if not isinstance(header, dict) or header.get("position") != position or header["position"] is True:
            return refuse("has another position: headers are missing, twice or in another order")
        if set(header) == {"leaf", "position"}:
            leaf = digest_of(header["leaf"])
            if leaf is None:
                return refuse("has a hash that is none")
            if terms["headers_of"] is None and not terms["withheld_types"]:
                refuse("is withheld, though every header was to be shown")
            self.withheld += 1
            return leaf
        if not is_header(header):
            return refuse("lacks a member that every header has")
        is_others = terms["headers_of"] is not None and header.get("organization") != terms["headers_of"]
        if is_others or header["event"].partition(".")[0] in terms["withheld_types"]:
            refuse("is shown, though the terms withhold such headers")
        self.shown += 1
        if accepts(terms["filter"], header):
            self.check_record(header, line)
        return leaf_hash(line)

    def check_record(self, header, line):
        """Compares the next record with a header that the filter asks for."""
        position = header["position"]
        while self.event is not None and self.event_position is not None and self.event_position < position:
            self.tell_foreign()
            self.next_event()
        if self.event is None or (self.event_position is not None and self.event_position > position):
            return self.verifier.fault(
                "events.jsonl", "is missing: a record that the filter asks for was left out", None, position
            )
        self.records += 1
        # A line is {"body":BODY,"header":HEADER}, with BODY and HEADER exactly as they are hashed.
        end = b',"header":' + line + b"}"
        number = self.event_line
        if not self.event.startswith(b'{"body":') or not self.event.endswith(end):
            self.verifier.fault("events.jsonl", "is not the record of its header in headers.jsonl", number, position)
        else:
            body = self.event[len(b'{"body":') : -len(end)]
            try:
                parsed = parse_json(body)
                is_canonical = canonical(parsed) == body
            except NotJSON:
                parsed = None
                is_canonical = False
            is_own = sha256(body) == digest_of(header["body"])
            if is_own:
                self.names_of(parsed, position)
            if not is_own and not self.claim(parsed, body, number, position):
                self.verifier.fault("events.jsonl", "has another body than its header commits to", number, position)
            else:
                if not is_canonical:
                    self.verifier.fault(
                        "events.jsonl", "has a body that is not in canonical form (RFC 8785)", number, position
                    )
        self.next_event()

    def claim(self, body, data, number, position):
        """Whether a body that its header doesn't commit to says that a later event dropped that one."""
        event = body.get("$dropped") if isinstance(body, dict) else None
        if not isinstance(event, int) or isinstance(event, bool) or event <= position:
            return False
        self.claims.append((number, position, event, sha256(data)))
        return True

    def names_of(self, body, event):
        """Takes what an event names as dropped, whose header commits to its body."""
        drops = body.get("drops") if isinstance(body, dict) else None
        for entry in drops if isinstance(drops, list) else []:
            if isinstance(entry, dict) and isinstance(entry.get("position"), int):
                self.names.setdefault(event, {})[entry["position"]] = digest_of(entry.get("body"))

    def check_drops(self):
        """Reads drops.jsonl, each line an event with its proof, and holds the bodies against what events name."""
        terms = self.terms
        if "drops.jsonl" in self.verifier.manifest["files"]:
            try:
                with open(self.verifier.path("drops.jsonl"), "rb") as lines:
                    for number, line in enumerate(lines, 1):
                        problem = self.check_drop(line.rstrip(b"\n"))
                        if problem:
                            self.verifier.fault("drops.jsonl", problem, number)
            except OSError as error:
                self.verifier.fault("drops.jsonl", "can't be read: %s" % error.strerror)
        for number, position, event, digest in self.claims:
            if self.names.get(event, {}).get(position) != digest:
                self.verifier.fault(
                    "events.jsonl",
                    "has another body than its header commits to, and the event %d, which is said to have dropped that "
                    "one, isn't proved to name it" % event,
                    number,
                    position,
                )

    def check_drop(self, line):
        """What is wrong with a line of drops.jsonl; None where the event is proved, and then its names are taken."""
        try:
            record = parse_json(line)
            header, body = record["header"], record["body"]
            hashes = [digest_of(text) for text in record["hashes"]]
            if canonical(record) != line or not is_header(header) or None in hashes:
                raise ValueError
        except (NotJSON, ValueError, KeyError, TypeError):
            return "is no event with its proof, in canonical form (RFC 8785)"
        position, size = header["position"], self.terms["tree_size"]
        leaf = leaf_hash(canonical(header))
        if position > size or inclusion_root(leaf, position - 1, size, hashes) != digest_of(self.terms["root"]):
            return "is an event that its proof doesn't lead to the signed root"
        if sha256(canonical(body)) != digest_of(header["body"]):
            return "is an event with another body than its header commits to"
        self.names_of(body, position)
        return None


# ---------------------------------------------------------------------------------------------------------------------


def read_key(given, kind=1):
    text = given
    if os.path.exists(given):
        with open(given, encoding="utf-8") as file:
            text = file.read()
    return Key(text.strip(), kind)


def place_of(fault):
    place = fault["file"]
    if fault["line"] is not None:
        place += ", line %d" % fault["line"]
    if fault["position"] is not None:
        place += " (position %d)" % fault["position"]
    return place


def tell(verifier):
    if verifier.faults:
        print("This bundle is not what it says:")
        for fault in verifier.faults:
            print("  - %s: %s." % (place_of(fault), fault["what"]))
        if verifier.further_faults:
            print("  - and %d more." % verifier.further_faults)
    if verifier.proved:
        print("Proved nevertheless:" if verifier.faults else "Proved:")
        for sentence in verifier.proved:
            print("  - " + sentence)
    if verifier.not_proved:
        print("Not proved:")
        for sentence in verifier.not_proved:
            print("  - " + sentence)
    print("The bundle is not verified." if verifier.faults else "The bundle is verified.")


def main():
    parser = argparse.ArgumentParser(description="Verify an evidence bundle of Daybook.")
    parser.add_argument("folder", help="the folder of the bundle")
    parser.add_argument("--key", help="the log's public key, as you got it another way: the text, or a file of it")
    parser.add_argument("--witness", action="append", default=[], help="the public key of a witness")
    parser.add_argument("--policy", help="a file of the logs and witnesses that count, and their quorum (C2SP tlog-policy)")
    parser.add_argument("--checkpoint", action="append", default=[], help="a checkpoint that you kept from before")
    parser.add_argument("--json", action="store_true", help="write JSON for programs")
    try:
        options = parser.parse_args()
    except SystemExit as end:
        return 64 if end.code else 0
    try:
        if not os.path.isdir(options.folder):
            raise ValueError("there is no such folder: " + options.folder)
        key = read_key(options.key) if options.key else None
        witnesses = [read_key(given, kind=4) for given in options.witness]
        policy = None
        if options.policy:
            with open(options.policy, "rb") as file:
                policy = Policy(file.read())
        checkpoints = []
        for path in options.checkpoint:
            with open(path, "rb") as file:
                checkpoints.append((path, file.read()))
    except (OSError, ValueError) as error:
        print("verify_bundle: %s" % error, file=sys.stderr)
        return 64
    sys.setrecursionlimit(10_000)
    verifier = Verifier(options.folder, key, witnesses, checkpoints, policy)
    verifier.run()
    if options.json:
        print(
            json.dumps(
                {
                    "faults": [
                        {name: value for name, value in fault.items() if value is not None}
                        for fault in verifier.faults
                    ],
                    "further_faults": verifier.further_faults,
                    "not_proved": verifier.not_proved,
                    "proved": verifier.proved,
                    "verified": not verifier.faults,
                },
                ensure_ascii=False,
                sort_keys=True,
            )
        )
    else:
        tell(verifier)
    return 2 if verifier.faults else 0


if __name__ == "__main__":
    sys.exit(main())
