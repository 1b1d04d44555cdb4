# Made by `pipulate shell`, which sends zsh here (ZDOTDIR); the user's own file is read in its place.

if (( $+PIPULATE_ZDOTDIR )); then
    ZDOTDIR=$PIPULATE_ZDOTDIR
    unset PIPULATE_ZDOTDIR
else
    unset ZDOTDIR
fi
# A system's zshrc may have put it here, where it would not be found again.
if [[ ${HISTFILE-} == @HERE@/* ]]; then
    HISTFILE=${ZDOTDIR:-$HOME}/.zsh_history
fi
if [[ -r ${ZDOTDIR:-$HOME}/.zshrc ]]; then
    source "${ZDOTDIR:-$HOME}/.zshrc"
fi
eval "$(@PROGRAM@ -C @PROJECT@ activate zsh)"
