"""A little OpenID Connect provider that signs people in by device codes (RFC 8628), for tests.

device_issuer.py FOLDER: listens on a port of this machine and writes `port` and `jwks` into the folder. What it does is
told by the file `mode` there; each request for a token leaves a line in `polls`: when, and what was asked for.
"""

import base64
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

folder = sys.argv[1]
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def token(audience, seconds):
    header = {"alg": "RS256", "kid": "test", "typ": "JWT"}
    claims = {
        "iss": issuer, "aud": audience, "sub": "person-1", "email": "dora@acme.example", "email_verified": True,
        "preferred_username": "dora", "iat": int(time.time()), "exp": int(time.time()) + seconds,
    }
    text = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{encoded(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class Provider(BaseHTTPRequestHandler):
    asked = 0
    refresh = "again"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def mode(self):
        with open(f"{folder}/mode", encoding="utf-8") as file:
            return file.read().strip()

    def do_GET(self):
        if self.path != "/realm/.well-known/openid-configuration":
            return self.answer(404, {})
        places = {"issuer": issuer, "token_endpoint": f"{issuer}/token", "jwks_uri": f"{issuer}/jwks"}
        if self.mode() != "no device codes":
            places["device_authorization_endpoint"] = f"{issuer}/device"
        return self.answer(200, places)

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        given = {name: values[0] for name, values in form.items()}
        if self.mode() == "a page":
            data = b"<html>Sign in first</html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return None
        if self.path == "/realm/device":
            if given.get("client_id") != "daybook":
                return self.answer(401, {"error": "invalid_client", "error_description": "unknown client"})
            Provider.asked = 0
            return self.answer(200, {
                "device_code": "secret & long", "user_code": "WDJB-MJHT", "verification_uri": "https://id.example/device",
                "verification_uri_complete": "https://id.example/device?user_code=WDJB-MJHT",
                "expires_in": 2 if self.mode() == "nobody" else 60, "interval": 1,
            })
        with open(f"{folder}/polls", "a", encoding="utf-8") as file:
            file.write(f"{time.monotonic()} {given['grant_type']}\n")
        if given["grant_type"] == "refresh_token":
            # Each is good once.
            if given["refresh_token"] != Provider.refresh or self.mode() == "ended":
                return self.answer(400, {"error": "invalid_grant", "error_description": "session not active"})
            Provider.refresh += "+"
            return self.answer(200, {
                "id_token": token("daybook", 300), "expires_in": 300, "refresh_token": Provider.refresh,
            })
        if given["device_code"] != "secret & long" or not given["grant_type"].endswith(":device_code"):
            return self.answer(400, {"error": "invalid_request"})
        Provider.asked += 1
        mode = self.mode()
        if mode == "denied":
            return self.answer(400, {"error": "access_denied"})
        if mode == "expired":
            return self.answer(400, {"error": "expired_token"})
        if mode == "nobody" or Provider.asked == 1:
            return self.answer(400, {"error": "authorization_pending"})
        if mode == "slow" and Provider.asked == 2:
            return self.answer(400, {"error": "slow_down"})
        Provider.refresh = "again"
        # What is good for so short has to be got anew with the next command.
        return self.answer(200, {
            "id_token": token("daybook", 3 if mode == "short" else 300), "access_token": "of no use here",
            "refresh_token": "again", "token_type": "Bearer",
        })


server = HTTPServer(("127.0.0.1", 0), Provider)
issuer = f"http://127.0.0.1:{server.server_port}/realm"
public = key.public_key().public_numbers()
jwks = {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "test", "n": number(public.n), "e": number(public.e)}]}
with open(f"{folder}/jwks", "w", encoding="utf-8") as file:
    json.dump(jwks, file)
with open(f"{folder}/port.new", "w", encoding="utf-8") as file:
    file.write(str(server.server_port))
os.rename(f"{folder}/port.new", f"{folder}/port")
server.serve_forever()
