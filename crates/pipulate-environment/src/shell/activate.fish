# Made by `pipulate activate fish`, for: pipulate activate fish | source
#
# Doing it again changes nothing. `deactivate` takes it back.

if functions --query deactivate
    deactivate nondestructive
end

function _pipulate_path_without
    while set --local at (contains --index -- $argv[1] $PATH)
        set --erase PATH[$at]
    end
end

function deactivate --description 'Leave the Python environment'
    _pipulate_path_without $_pipulate_bin
    set --erase VIRTUAL_ENV
    set --erase VIRTUAL_ENV_PROMPT
    test "$argv[1]" = nondestructive; or set --erase PIPULATE_SHELL
    if set --query _pipulate_pythonhome
        set --global --export PYTHONHOME $_pipulate_pythonhome
    end
    # Set anew since, it is not ours.
    if test "$JUPYTER_RUNTIME_DIR" = "$_pipulate_runtime"
        set --erase JUPYTER_RUNTIME_DIR
        if set --query _pipulate_runtime_before
            set --global --export JUPYTER_RUNTIME_DIR $_pipulate_runtime_before
        end
    end
    set --erase _pipulate_runtime
    set --erase _pipulate_runtime_before
    if set --query _pipulate_has_prompt
        functions --erase fish_prompt
        if functions --query _pipulate_fish_prompt
            functions --copy _pipulate_fish_prompt fish_prompt
            functions --erase _pipulate_fish_prompt
        end
    end
    set --erase _pipulate_bin
    set --erase _pipulate_pythonhome
    set --erase _pipulate_has_prompt
    functions --erase _pipulate_path_without deactivate
end

# Another environment's, inherited from another shell.
if set --query VIRTUAL_ENV
    _pipulate_path_without $VIRTUAL_ENV/bin
end
set --global _pipulate_bin @BIN@
_pipulate_path_without $_pipulate_bin
set --global --export PATH $_pipulate_bin $PATH
if test -n @VENV@
    set --global --export VIRTUAL_ENV @VENV@
    set --global --export VIRTUAL_ENV_PROMPT '@LABEL@'
else
    set --erase VIRTUAL_ENV
    set --erase VIRTUAL_ENV_PROMPT
end
# It would send any Python to another one's library.
if set --query PYTHONHOME
    set --global _pipulate_pythonhome $PYTHONHOME
    set --erase PYTHONHOME
end
# Jupyter's own tools find this home's JupyterLab there.
set --global _pipulate_runtime @RUNTIME@
if set --query JUPYTER_RUNTIME_DIR; and test "$JUPYTER_RUNTIME_DIR" != "$_pipulate_runtime"
    set --global _pipulate_runtime_before $JUPYTER_RUNTIME_DIR
end
set --global --export JUPYTER_RUNTIME_DIR $_pipulate_runtime

# A program that draws the prompt shows the environment in it by itself.
if status is-interactive
    and test -z "$VIRTUAL_ENV_DISABLE_PROMPT"
    and test "$STARSHIP_SHELL" != fish
    and test "$POSH_SHELL" != fish
    and not functions --query tide
    if functions --query fish_prompt
        functions --copy fish_prompt _pipulate_fish_prompt
    end
    function fish_prompt
        # The whole path, as the other shells show it. Exported, so that prompt_pwd sees it.
        set --local --export fish_prompt_pwd_dir_length 0
        printf '%s(%s)%s %s[%s@%s:%s]$%s ' (set_color --bold blue) '@LABEL@' (set_color normal) \
            (set_color --bold green) $USER (prompt_hostname) (prompt_pwd) (set_color normal)
    end
    set --global _pipulate_has_prompt
end
