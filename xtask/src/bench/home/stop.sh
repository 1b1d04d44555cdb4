# What `stop` was before: end by name, wait two seconds, end what is left by force.
nothing=no-process-has-this-name-$$-
pgrep -f "[n]$nothing"; pgrep -f "[n]$nothing"; pgrep -f "[n]$nothing"
test -f pid && kill "$(cat pid)"
sleep 2
pgrep -f "[n]$nothing"; pgrep -f "[n]$nothing"; pgrep -f "[n]$nothing"
test -f pid && kill -9 "$(cat pid)"
rm -f pid
