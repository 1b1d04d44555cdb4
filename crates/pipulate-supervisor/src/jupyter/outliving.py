# Written by Pipulate at each start of JupyterLab. It configures nothing; it keeps kernels, and what they
# computed, when JupyterLab crashes. `pipulate stop` ends them.
import os


def keep_kernels():
    from jupyter_client.provisioning import local_provisioner

    launch = local_provisioner.launch_kernel

    def launch_independent(cmd, **kwargs):
        environment = dict(os.environ if kwargs.get("env") is None else kwargs["env"])
        environment.pop("JPY_PARENT_PID", None)
        # To ipykernel, 1 means "watch no parent"; without a number it prints how to connect by hand.
        if any("ipykernel" in str(word) for word in cmd):
            environment["JPY_PARENT_PID"] = "1"
        return launch(cmd, **{**kwargs, "env": environment, "independent": True})

    local_provisioner.launch_kernel = launch_independent


def hide_from_children():
    # Kernels and terminals have no use for this file.
    ours = os.path.dirname(os.path.abspath(__file__))
    path = os.environ.pop("JUPYTER_CONFIG_PATH", "").split(os.pathsep)
    others = [folder for folder in path if folder and os.path.abspath(folder) != ours]
    if others:
        os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(others)


try:
    hide_from_children()
    keep_kernels()
except Exception as error:
    print(f"Kernels will end when JupyterLab crashes: {error}")
