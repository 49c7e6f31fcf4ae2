"""An OpenID Connect provider on a free port of loopback. It prints its URL, then a token for each line
"CLIENT USER" that it reads: by the code flow, as a browser and an application would come by it."""

import os
import socket
import sys
import threading
import urllib.parse

import httpx
import oidc_provider_mock
import uvicorn

BACK = "http://127.0.0.1/back"


def token(issuer, client_id, user):
    query = {"client_id": client_id, "redirect_uri": BACK, "response_type": "code", "scope": "openid email"}
    with httpx.Client(base_url=issuer, trust_env=False) as client:
        allowed = client.post("/oauth2/authorize", params=query, data={"sub": user})
        assert allowed.status_code == 302, allowed.text
        code = urllib.parse.parse_qs(urllib.parse.urlparse(allowed.headers["location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
        issued = client.post("/oauth2/token", data=form, auth=(client_id, "secret"))
        issued.raise_for_status()
        return issued.json()["id_token"]


def main():
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(oidc_provider_mock.app(), interface="wsgi", log_level="error")
    threading.Thread(target=uvicorn.Server(config).run, args=([listener],), daemon=True).start()
    print(issuer, flush=True)
    for line in sys.stdin:
        print(token(issuer, *line.split()), flush=True)


main()
