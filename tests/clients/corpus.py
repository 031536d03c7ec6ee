"""Replays recorded answers of the vendors through the relay, at four chunk sizes, and reads them with the official SDKs.

What an SDK reads must equal what it read from the vendor directly, errors included. That the bytes are the vendor's is tested in tests/it.
"""

import gzip
import hashlib
import json
import sys
from pathlib import Path

from demo import MOCK, URL, Admin, replay
from vendors import ERRORS, VENDORS

CORPUS = Path(__file__).resolve().parent.parent / "data" / "corpus"
CREDENTIAL = ["05d1e62ee285bacd", "d3e5d9dc38ff20bb"]  # 400, but about our key at the vendor
CHUNKS = [1, 7, 997, 0]  # 0 = the whole body at once


def transcripts(family):
    with gzip.open(CORPUS / f"{family}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return list(map(json.loads, lines))


def expected(family):
    path = CORPUS / f"{family}.expected.jsonl"
    if not path.exists():
        return {}
    with open(path, encoding="utf-8") as lines:
        return {e["id"]: e for e in map(json.loads, lines)}


def said(client, transcript):
    """What the SDK reads, in the words of the expected file: no nulls, zeros, empty objects, words or lists in usage."""
    text, tools, stop, usage = (client.stream if transcript["stream"] else client.whole)(transcript)
    return {
        "text_sha": hashlib.sha256(text.encode()).hexdigest()[:16],
        "text_len": len(text),
        "tools": tools,
        "stop": stop,
        "usage": {k: v for k, v in usage.items() if v not in (None, 0, {}) and not isinstance(v, (str, list))},
    }


def differences(client, transcript, wanted):
    """One transcript at every chunk size; what is wrong, as texts."""
    for chunk in CHUNKS:
        replay(transcript, chunk)
        try:
            got = said(client, transcript)
        except Exception as error:  # Whatever keeps an SDK from reading it is a difference.
            yield f"chunk {chunk}: {type(error).__name__}: {error}"
            continue
        for key, value in got.items():
            if value != wanted[key]:
                yield f"chunk {chunk}: {key}: {value!r}, expected {wanted[key]!r}"


def failure(client, transcript):
    """The error as the SDK raises it."""
    try:
        said(client, transcript)
    except ERRORS as error:
        return type(error).__name__, str(error)
    return "no error", ""


def is_the_clients(transcript):
    """An error that the client sees as it is; what becomes of the others is tested in tests/it."""
    return transcript["status"] in (400, 404) and transcript["id"] not in CREDENTIAL


def wrong_failure(client, direct, transcript):
    replay(transcript, 0)
    got, wanted = failure(client, transcript), failure(direct, transcript)
    if got != wanted:
        yield f"{got}, directly {wanted}"


def check(admin, family):
    """How many answers of a family were read, and what is wrong."""
    vendor, wanted, count, failures = VENDORS[family], expected(family), 0, []
    client, direct = vendor(URL, admin.key(vendor.kind, vendor.platform)), vendor(MOCK, "any")
    for transcript in transcripts(family):
        known = wanted.get(transcript["id"])
        if transcript["status"] == 200 and not wanted:
            replay(transcript, 0)
            known = said(direct, transcript)
        if known:
            found = differences(client, transcript, known)
        elif is_the_clients(transcript):
            found = list(wrong_failure(client, direct, transcript))
            admin.heal(vendor.kind)
        else:
            continue
        count += 1
        failures += [f"{transcript['id']} ({transcript['source']}): {problem}" for problem in found]
    return count, failures


def main():
    admin, failed = Admin(), False
    for family in VENDORS:
        count, failures = check(admin, family)
        print("\n".join(failures), end="\n" if failures else "", file=sys.stderr)
        print(f"corpus {family}: {count} answers, {len(failures)} differences", flush=True)
        failed |= bool(failures) or not count
    return 1 if failed else 0


sys.exit(main())
