#!/bin/sh
# Made by pipulate, and made again when it changes: edits are lost.
#
# One of the two bare words of this project's home. They work from any folder.

project=@PROJECT@
pipulate=@PROGRAM@

if [ ! -x "$pipulate" ]; then
    gone=$pipulate
    if ! pipulate=$(command -v pipulate); then
        printf '%s\n' "@VERB@: pipulate is gone from $gone and is not on PATH; install it again" >&2
        exit 127
    fi
fi

exec "$pipulate" -C "$project" @VERB@ "$@"
