"""Speaks to a JupyterLab as its page does. Usage: kernel.py URL TOKEN_FILE VERB [ID]

spec NAME         prints a kernelspec
kernel SPEC       makes a kernel; prints its id
login SPEC        makes one where a password is asked for: signs in with the one on stdin
notebook PATH     opens a notebook with a Python kernel; prints the kernel's id
run ID            runs the code on stdin to its end; prints what it printed
begin ID          the same, and returns as soon as the kernel is busy
restart ID        restarts the kernel
debug ID          asks the kernel's debugger for what the JSON on stdin says; prints the answer
terminal          opens a terminal; prints its name
type NAME TEXT    types the line on stdin there; returns when the terminal has shown TEXT
"""

import http.cookiejar
import json
import ssl
import sys
import urllib.parse
import urllib.request
import uuid

import websocket

PATIENCE = 60
# A test's own certificate proves nothing.
ssl._create_default_https_context = ssl._create_unverified_context


def main():
    url, token_file, verb, *rest = sys.argv[1:]
    with open(token_file) as file:
        server = Server(url, file.read())
    verbs = {"spec": spec, "kernel": kernel, "login": login, "notebook": notebook, "run": run, "begin": begin, "restart": restart}
    {**verbs, "debug": debug, "terminal": terminal, "type": type_line}[verb](server, *rest)


class Server:
    def __init__(self, url, token):
        self.url, self.headers = url, {"Authorization": f"token {token}"}

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), self.headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def connect(self, path):
        address = self.url.replace("http", "ws", 1) + path
        options = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
        return websocket.create_connection(address, timeout=PATIENCE, header=self.headers, sslopt=options)


def spec(server, name):
    request = urllib.request.Request(f"{server.url}/api/kernelspecs/{name}", headers=server.headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        print(json.dumps(json.load(answer)["spec"]))


def kernel(server, spec):
    print(server.post("/api/kernels", {"name": spec})["id"])


def login(server, spec):
    cookies = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    opener.open(server.url + "/login", timeout=PATIENCE)
    xsrf = next(cookie.value for cookie in cookies if cookie.name == "_xsrf")
    form = urllib.parse.urlencode({"password": sys.stdin.read(), "_xsrf": xsrf})
    opener.open(server.url + "/login", form.encode(), timeout=PATIENCE)
    # Signing in changed it.
    xsrf = next(cookie.value for cookie in cookies if cookie.name == "_xsrf")
    request = urllib.request.Request(server.url + "/api/kernels", json.dumps({"name": spec}).encode(), {"X-XSRFToken": xsrf})
    print(json.load(opener.open(request, timeout=PATIENCE))["id"])


def notebook(server, path):
    session = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
    print(server.post("/api/sessions", session)["kernel"]["id"])


def run(server, kernel_id):
    for message in execute(server, kernel_id):
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            print(content["text"], end="")
        elif kind == "error":
            sys.exit("\n".join(content["traceback"]))
        elif kind == "status" and content["execution_state"] == "idle":
            return


def begin(server, kernel_id):
    # "execute_input" follows "busy": from then on the code runs.
    next(message for message in execute(server, kernel_id) if message["msg_type"] == "execute_input")


def execute(server, kernel_id):
    """Sends the code on stdin, and yields what the kernel says about it."""
    content = {"code": sys.stdin.read(), "silent": False, "store_history": True,
               "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
    return exchange(server, kernel_id, "shell", "execute_request", content)


def restart(server, kernel_id):
    server.post(f"/api/kernels/{kernel_id}/restart", {})


def debug(server, kernel_id):
    replies = exchange(server, kernel_id, "control", "debug_request", json.load(sys.stdin))
    print(json.dumps(next(reply["content"] for reply in replies if reply["msg_type"] == "debug_reply")))


def exchange(server, kernel_id, channel, kind, content):
    """Sends a message, and yields what the kernel says about it."""
    socket = server.connect(f"/api/kernels/{kernel_id}/channels")
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "version": "5.3",
              "session": uuid.uuid4().hex, "username": "test"}
    socket.send(json.dumps({"header": header, "parent_header": {}, "metadata": {},
                            "content": content, "channel": channel, "buffers": []}))
    while True:
        message = json.loads(socket.recv())
        if message["parent_header"].get("msg_id") == header["msg_id"]:
            yield message


def terminal(server):
    print(server.post("/api/terminals", {})["name"])


def type_line(server, name, text):
    socket = server.connect(f"/terminals/websocket/{name}")
    socket.send(json.dumps(["stdin", sys.stdin.read() + "\r"]))
    shown = ""
    while text not in shown:
        kind, *rest = json.loads(socket.recv())
        if kind == "stdout":
            shown += rest[0]


if __name__ == "__main__":
    main()
