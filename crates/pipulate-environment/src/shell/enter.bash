# Made by `pipulate shell`, which has bash read this in place of ~/.bashrc.

if [ -r ~/.bashrc ]; then
    . ~/.bashrc
fi
eval "$(@PROGRAM@ -C @PROJECT@ activate bash)"
