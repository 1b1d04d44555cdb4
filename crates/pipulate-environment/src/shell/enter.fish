# What `pipulate shell` has fish do after its user's own files.
@PROGRAM@ -C @PROJECT@ activate fish | source
