#!/bin/sh
# Made by pipulate, and made again when it changes: edits are lost.
#
# One of the two bare words of this project's home. They work from any folder.

project=@PROJECT@
gone=

for pipulate in @PROGRAMS@ "$(command -v pipulate)"; do
    if [ -x "$pipulate" ]; then
        exec "$pipulate" -C "$project" @VERB@ "$@"
    fi
    : "${gone:=$pipulate}"
done

printf '%s\n' "@VERB@: pipulate is gone from $gone and is not on PATH; install it again" >&2
exit 127
