# Starts kernels by TCP and by sockets in turn; prints one line a sample: what, transport, seconds.
import os
import sys
import tempfile
import time

from jupyter_client import KernelManager

rounds, cells = (int(word) for word in sys.argv[1:])


def run(client, code):
    begin = time.perf_counter()
    client.execute_interactive(code, store_history=False, output_hook=lambda message: None, timeout=60)
    return time.perf_counter() - begin


for number in range(rounds):
    for transport in ("tcp", "ipc"):
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            manager = KernelManager(transport=transport)
            if transport == "ipc":
                manager.ip = os.path.join(folder, "k")
            begin = time.perf_counter()
            manager.start_kernel()
            client = manager.client()
            client.start_channels()
            client.wait_for_ready(timeout=60)
            print("start", transport, time.perf_counter() - begin)
            times = sorted(run(client, "1") for _ in range(cells))
            print("cell", transport, times[len(times) // 2])
            flood = "import sys\nfor _ in range(2000): sys.stdout.write('x' * 1000 + '\\n'); sys.stdout.flush()"
            print("output", transport, run(client, flood))
            client.stop_channels()
            manager.shutdown_kernel(now=True)
