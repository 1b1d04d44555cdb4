# What `start` was before: stop first, start in the background, and hope that two seconds are enough.
# `pkill -f` would find other people's JupyterLab: its place is taken by a look that finds nothing and
# costs as much, and by the pid of our own.
sh "$BENCH/stop.sh"
"$LAB" --no-browser --allow-root --port="$PORT" > jupyter.log 2>&1 &
echo $! > pid
sleep 2
