# Made by `pipulate activate bash`, for: eval "$(pipulate activate bash)"
#
# Doing it again changes nothing. `deactivate` takes it back.

if declare -F deactivate >/dev/null; then
    deactivate nondestructive
fi

_pipulate_path_without() {
    local rest=":$PATH:"
    # More than once: two neighbors share a colon.
    while [[ $rest == *":$1:"* ]]; do rest=${rest//":$1:"/:}; done
    rest=${rest#:}
    PATH=${rest%:}
}

_pipulate_draws_itself() { # whether a program draws the prompt, and shows the environment in it
    [ -z "${VIRTUAL_ENV_DISABLE_PROMPT-}" ] || return 0
    [ "${STARSHIP_SHELL-}" != bash ] && [ "${POSH_SHELL-}" != bash ] || return 0
    local name
    for name in starship_precmd _omp_hook __lp_set_prompt _lp_set_prompt _powerline_set_prompt; do
        ! declare -F "$name" >/dev/null || return 0
    done
    return 1
}

# A prompt that was drawn since, by what runs before each one, stays, behind the environment's name.
_pipulate_prompt() { # stays after `deactivate`: others may have copied its name out of PROMPT_COMMAND
    if [ -n "${_pipulate_shown+set}" ] && [ "$PS1" != "$_pipulate_shown" ]; then
        PS1='\[\e[01;34m\](@LABEL@)\[\e[00m\] '$PS1
        _pipulate_shown=$PS1
    fi
}

deactivate() {
    _pipulate_path_without "$_pipulate_bin"
    unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT
    [ "${1-}" = nondestructive ] || unset PIPULATE_SHELL
    if [ -n "${_pipulate_pythonhome+set}" ]; then
        export PYTHONHOME="$_pipulate_pythonhome"
    fi
    if [ -n "${_pipulate_ps1+set}" ]; then
        PS1=$_pipulate_ps1
        local at
        case "$(declare -p PROMPT_COMMAND 2>/dev/null)" in
        'declare -a'*)
            for at in "${!PROMPT_COMMAND[@]}"; do
                [ "${PROMPT_COMMAND[at]}" != _pipulate_prompt ] || unset "PROMPT_COMMAND[at]"
            done
            ;;
        declare*) PROMPT_COMMAND=${PROMPT_COMMAND%$'\n_pipulate_prompt'} ;;
        esac
    fi
    # Set anew since, it is not ours.
    if [ "${JUPYTER_RUNTIME_DIR-}" = "$_pipulate_runtime" ]; then
        unset JUPYTER_RUNTIME_DIR
        if [ -n "${_pipulate_runtime_before+set}" ]; then
            export JUPYTER_RUNTIME_DIR="$_pipulate_runtime_before"
        fi
    fi
    unset _pipulate_runtime _pipulate_runtime_before
    unset _pipulate_bin _pipulate_pythonhome _pipulate_ps1 _pipulate_shown
    unset -f deactivate _pipulate_path_without _pipulate_draws_itself
    hash -r 2>/dev/null
}

# Another environment's, inherited from another shell.
if [ -n "${VIRTUAL_ENV-}" ]; then
    _pipulate_path_without "$VIRTUAL_ENV/bin"
fi
_pipulate_bin=@BIN@
_pipulate_path_without "$_pipulate_bin"
export PATH="$_pipulate_bin:$PATH"
if [ -n @VENV@ ]; then
    export VIRTUAL_ENV=@VENV@ VIRTUAL_ENV_PROMPT='@LABEL@'
else
    unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT
fi
# It would send any Python to another one's library.
if [ -n "${PYTHONHOME+set}" ]; then
    _pipulate_pythonhome=$PYTHONHOME
    unset PYTHONHOME
fi
# Jupyter's own tools find this home's JupyterLab there.
_pipulate_runtime=@RUNTIME@
if [ -n "${JUPYTER_RUNTIME_DIR+set}" ] && [ "$JUPYTER_RUNTIME_DIR" != "$_pipulate_runtime" ]; then
    _pipulate_runtime_before=$JUPYTER_RUNTIME_DIR
fi
export JUPYTER_RUNTIME_DIR="$_pipulate_runtime"
hash -r 2>/dev/null

if [ -n "${PS1-}" ] && ! _pipulate_draws_itself; then
    _pipulate_ps1=$PS1
    PS1='\[\e[01;34m\](@LABEL@)\[\e[00m\] \[\e[01;32m\][\u@\h:\w]$\[\e[00m\] '
    _pipulate_shown=$PS1
    # What runs before each prompt may set it anew, so we come last.
    case "$(declare -p PROMPT_COMMAND 2>/dev/null)" in
    'declare -a'*) PROMPT_COMMAND+=(_pipulate_prompt) ;;
    *) [ -z "${PROMPT_COMMAND-}" ] || PROMPT_COMMAND+=$'\n_pipulate_prompt' ;;
    esac
fi
