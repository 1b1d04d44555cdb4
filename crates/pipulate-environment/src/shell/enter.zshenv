# Made by `pipulate shell`, which sends zsh here (ZDOTDIR); the user's own file is read in its place.

if (( $+PIPULATE_ZDOTDIR )); then
    ZDOTDIR=$PIPULATE_ZDOTDIR
else
    unset ZDOTDIR
fi
if [[ -r ${ZDOTDIR:-$HOME}/.zshenv ]]; then
    source "${ZDOTDIR:-$HOME}/.zshenv"
fi
# It may say where the other files are.
if (( $+ZDOTDIR )); then
    PIPULATE_ZDOTDIR=$ZDOTDIR
else
    unset PIPULATE_ZDOTDIR
fi
ZDOTDIR=@HERE@
