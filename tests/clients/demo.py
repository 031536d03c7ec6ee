"""The demo relay and its mock upstream, steered from outside."""

import json
import os
import urllib.request

URL = os.environ["QUOTALANE_URL"]
MOCK = os.environ["QUOTALANE_MOCK_URL"]


def send(url, body=None, token=None, method=None):
    """One JSON call; the decoded answer."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    return json.loads(urllib.request.urlopen(request).read())


class Admin:
    """The relay's administrator."""

    def __init__(self):
        login = {"username": os.environ["QUOTALANE_ADMIN_USER"], "password": os.environ["QUOTALANE_ADMIN_PASSWORD"]}
        self.token = send(f"{URL}/api/v1/auth/login", login)["data"]["token"]
        self.call("PUT", "configs", {"billing.unknown_model": "free"})
        listed = self.call("GET", "accounts?page_size=100")["items"]
        self.accounts = {account["type"]: account["id"] for account in listed}

    def call(self, method, path, body=None):
        return send(f"{URL}/api/v1/{path}", body, self.token, method)["data"]

    def key(self, kind, platform):
        """A new API key that is bound to the demo's account of a kind."""
        binding = {"platform": platform, "target": f"account:{self.accounts[kind]}"}
        return self.call("POST", "api-keys", {"name": f"corpus {kind}", "bindings": [binding]})["api_key"]

    def heal(self, kind):
        """Lets the account forget what an error said about it."""
        self.call("POST", f"accounts/{self.accounts[kind]}/clear-cooldowns")


def replay(transcript, chunk):
    """Makes the mock answer every call with this transcript, in chunks of so many bytes; 0 = the whole body at once."""
    headers = {name.lower(): value for name, value in transcript["headers"]}
    order = {
        "status": transcript["status"],
        "content_type": transcript["content_type"],
        "headers": {k: v for k, v in headers.items() if k in ("request-id", "x-request-id", "retry-after")},
        "body_b64": transcript["body_b64"],
        "chunk": chunk,
    }
    send(f"{MOCK}/__mock/replay", order)
