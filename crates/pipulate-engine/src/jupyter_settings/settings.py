# Written by Pipulate at each start of JupyterLab. It sets no option: your own configuration decides. It
# - keeps kernels, and what they computed, when JupyterLab crashes (`pipulate stop` ends them);
# - has kernels talk over sockets that only you can open, instead of TCP ports that every user of this
#   machine can read, unless you configured KernelManager.transport or KernelManager.ip;
# - starts Python kernels through pipulate_kernel.py, beside this file, without the debugger.
import hashlib
import os

SOCKETS = None
KERNEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pipulate_kernel.py")


def keep_kernels():
    from jupyter_client.provisioning import local_provisioner

    launch = local_provisioner.launch_kernel

    def launch_independent(cmd, **kwargs):
        environment = dict(os.environ if kwargs.get("env") is None else kwargs["env"])
        environment.pop("JPY_PARENT_PID", None)
        # To ipykernel, 1 means "watch no parent"; without a number it prints how to connect by hand.
        if any("ipykernel" in str(word) for word in cmd):
            environment["JPY_PARENT_PID"] = "1"
        return launch(through_ours(cmd), **{**kwargs, "env": environment, "independent": True})

    local_provisioner.launch_kernel = launch_independent


def through_ours(cmd):
    # python -m MODULE
    for at, word in enumerate(cmd[:-1]):
        if word == "-m" and has_program(cmd, "python"):
            return [*cmd[:at], KERNEL, *cmd[at + 1 :]]
    return cmd


def has_program(cmd, *names):
    # Other programs may go on in a container, or on another machine.
    programs = [os.path.basename(word) for word in cmd[:1]]
    if programs == ["env"]:
        programs = [os.path.basename(word) for word in cmd[1:]]
    return any(program.startswith(names) for program in programs)


def use_sockets():
    from jupyter_client.provisioning.local_provisioner import LocalProvisioner

    prepare = LocalProvisioner.pre_launch

    async def prepare_with_sockets(self, **kwargs):
        manager = self.parent
        # A provisioner built on this one may run its kernels in a container.
        if type(self) is LocalProvisioner and manager and wants_sockets(manager) and has_sockets(self.kernel_spec):
            name = hashlib.blake2s(manager.connection_file.encode(), digest_size=4).hexdigest()
            manager.transport = "ipc"
            manager.ip = os.path.join(SOCKETS, name)
        return await prepare(self, **kwargs)

    LocalProvisioner.pre_launch = prepare_with_sockets


def wants_sockets(manager):
    configured = {}
    for kind in reversed(type(manager).__mro__):
        configured.update(manager.config.get(kind.__name__, {}))
    return "ip" not in configured and configured.get("transport", "ipc") == "ipc"


def has_sockets(spec):
    # Kernels for other languages often know TCP alone.
    is_known = any(name in word for word in spec.argv for name in ("IRkernel", "IJulia"))
    return has_program(spec.argv, "python", "xpython") or (is_known and has_program(spec.argv, "R", "julia"))


def hide_debugger():
    from jupyter_client.kernelspec import KernelSpec

    describe = KernelSpec.to_dict

    def describe_without_debugger(self):
        spec = describe(self)
        return {**spec, "metadata": {**spec["metadata"], "debugger": False}}

    KernelSpec.to_dict = describe_without_debugger


def hide_from_children():
    # Kernels and terminals have no use for this file.
    ours = os.path.dirname(os.path.abspath(__file__))
    path = os.environ.pop("JUPYTER_CONFIG_PATH", "").split(os.pathsep)
    others = [folder for folder in path if folder and os.path.abspath(folder) != ours]
    if others:
        os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(others)


def attempt(change, otherwise):
    try:
        change()
    except Exception as error:
        print(f"{otherwise}: {error}")


attempt(hide_from_children, "Kernels and terminals see JUPYTER_CONFIG_PATH")
attempt(keep_kernels, "Kernels will end when JupyterLab crashes")
if SOCKETS is not None:
    attempt(use_sockets, "Kernels use TCP ports, where other users of this machine can read what they print")
if os.environ.get("PIPULATE_DEBUGGER", "").lower() not in ("1", "on", "true", "yes"):
    attempt(hide_debugger, "JupyterLab shows its debugger, which is off")
