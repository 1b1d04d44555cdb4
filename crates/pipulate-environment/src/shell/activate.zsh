# Made by `pipulate activate zsh`, for: eval "$(pipulate activate zsh)"
#
# Doing it again changes nothing. `deactivate` takes it back.

if (( $+functions[deactivate] )); then
    deactivate nondestructive
fi

_pipulate_draws_itself() { # whether a program draws the prompt, and shows the environment in it
    [[ -z ${VIRTUAL_ENV_DISABLE_PROMPT-} ]] || return 0
    [[ ${STARSHIP_SHELL-} != zsh && ${POSH_SHELL-} != zsh ]] || return 0
    local name
    for name in starship_precmd prompt_starship_precmd _omp_precmd p10k prompt_pure_setup spaceship \
        __lp_set_prompt _lp_set_prompt powerlevel9k_prepare_prompts _powerline_setup_prompt; do
        (( ! $+functions[$name] )) || return 0
    done
    return 1
}

# A prompt that was drawn since, by what runs before each one, stays, behind the environment's name.
_pipulate_prompt() {
    if [[ $PROMPT != "$_pipulate_shown" ]]; then
        PROMPT='%B%F{blue}(@LABEL@)%f%b '$PROMPT
        _pipulate_shown=$PROMPT
    fi
}

deactivate() {
    emulate -L zsh
    path=("${(@)path:#$_pipulate_bin}")
    unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT
    [[ ${1-} == nondestructive ]] || unset PIPULATE_SHELL
    if (( $+_pipulate_pythonhome )); then
        export PYTHONHOME=$_pipulate_pythonhome
    fi
    if (( $+_pipulate_ps1 )); then
        PROMPT=$_pipulate_ps1
        precmd_functions=("${(@)precmd_functions:#_pipulate_prompt}")
    fi
    # Set anew since, it is not ours.
    if [[ ${JUPYTER_RUNTIME_DIR-} == "$_pipulate_runtime" ]]; then
        unset JUPYTER_RUNTIME_DIR
        if (( $+_pipulate_runtime_before )); then
            export JUPYTER_RUNTIME_DIR=$_pipulate_runtime_before
        fi
    fi
    unset _pipulate_runtime _pipulate_runtime_before
    unset _pipulate_bin _pipulate_pythonhome _pipulate_ps1 _pipulate_shown
    unfunction deactivate _pipulate_draws_itself _pipulate_prompt
    rehash
}

() {
    emulate -L zsh

    # Another environment's, inherited from another shell.
    if [[ -n $VIRTUAL_ENV ]]; then
        path=("${(@)path:#$VIRTUAL_ENV/bin}")
    fi
    typeset -g _pipulate_bin=@BIN@
    path=("$_pipulate_bin" "${(@)path:#$_pipulate_bin}")
    export PATH
    if [[ -n @VENV@ ]]; then
        export VIRTUAL_ENV=@VENV@ VIRTUAL_ENV_PROMPT='@LABEL@'
    else
        unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT
    fi
    # It would send any Python to another one's library.
    if (( $+PYTHONHOME )); then
        typeset -g _pipulate_pythonhome=$PYTHONHOME
        unset PYTHONHOME
    fi
    # Jupyter's own tools find this home's JupyterLab there.
    typeset -g _pipulate_runtime=@RUNTIME@
    if (( $+JUPYTER_RUNTIME_DIR )) && [[ $JUPYTER_RUNTIME_DIR != "$_pipulate_runtime" ]]; then
        typeset -g _pipulate_runtime_before=$JUPYTER_RUNTIME_DIR
    fi
    export JUPYTER_RUNTIME_DIR=$_pipulate_runtime
    rehash

    if [[ ! -o interactive ]] || _pipulate_draws_itself; then
        return 0
    fi
    typeset -g _pipulate_ps1=$PROMPT
    PROMPT='%B%F{blue}(@LABEL@)%f%b %B%F{green}[%n@%m:%~]$%f%b '
    typeset -g _pipulate_shown=$PROMPT
    # What runs before each prompt may set it anew, so we come last.
    if (( $+functions[precmd] || $#precmd_functions )); then
        typeset -ga precmd_functions=("${(@)precmd_functions:#_pipulate_prompt}" _pipulate_prompt)
    fi
}
