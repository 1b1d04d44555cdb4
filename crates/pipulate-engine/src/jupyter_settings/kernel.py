# Written by Pipulate at each start of JupyterLab, which starts Python kernels through it:
# python pipulate_kernel.py MODULE ARGUMENT… is python -m MODULE ARGUMENT…, with two changes for ipykernel.
# - The pipe for the output of forked children is a socket that only you can open, not a TCP port.
# - There is no debugger, which leaves a port open through which every user of this machine can run code as
#   you, unless the environment has PIPULATE_DEBUGGER=on.
import json
import os
import runpy
import sys

MISSING = object()


def leave_debugger_out():
    # The debugger is there if debugpy can be imported at this moment.
    known = sys.modules.get("debugpy", MISSING)
    sys.modules["debugpy"] = None
    try:
        import ipykernel.debugger
    finally:
        del sys.modules["debugpy"]
        if known is not MISSING:
            sys.modules["debugpy"] = known


def pipe_through_socket(connection_file):
    with open(connection_file) as file:
        connection = json.load(file)
    if connection["transport"] != "ipc":
        return
    import zmq
    from ipykernel.iostream import IOPubThread
    from zmq.eventloop.zmqstream import ZMQStream

    address = f"ipc://{connection['ip']}-pipe"

    def setup_pipe_in(self):
        self._pipe_uuid = os.urandom(16)
        pipe = self.socket.context.socket(zmq.PULL)
        pipe.linger = 0
        pipe.bind(address)
        self._pipe_in = ZMQStream(pipe, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def setup_pipe_out(self):
        # A context can't be used after a fork.
        context = zmq.Context()
        pipe = context.socket(zmq.PUSH)
        pipe.linger = 3000
        pipe.connect(address)
        return context, pipe

    if hasattr(IOPubThread, "_setup_pipe_in") and hasattr(IOPubThread, "_setup_pipe_out"):
        IOPubThread._setup_pipe_in = setup_pipe_in
        IOPubThread._setup_pipe_out = setup_pipe_out


def attempt(change, *arguments):
    try:
        change(*arguments)
    except ImportError:
        pass  # It is not an ipykernel.
    except Exception as error:
        print(f"This kernel may use TCP ports: {error}", file=sys.stderr)


if __name__ == "__main__":
    ours = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != ours]
    if os.environ.get("PIPULATE_DEBUGGER", "").lower() not in ("1", "on", "true", "yes"):
        attempt(leave_debugger_out)
    for word in sys.argv[2:]:
        if word.endswith(".json"):
            attempt(pipe_through_socket, word)
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, os.getcwd())
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
