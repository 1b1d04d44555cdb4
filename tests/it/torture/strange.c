/* strange KIND WORD: a service of one kind. WORD tells its processes from all others. Each instance holds
   the lock KIND.lock while it lives, and writes its kind to the file "twice" when another one holds it. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static void take_lock(const char *kind) {
    char path[64];
    snprintf(path, sizeof path, "%s.lock", kind);
    if (flock(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), LOCK_EX | LOCK_NB) == 0) return;
    int twice = open("twice", O_WRONLY | O_CREAT | O_APPEND, 0600);
    dprintf(twice, "%s (pid %d)\n", kind, getpid());
    close(twice);
}

static void *rest(void *unused) {
    for (;;) pause();
}

static void end_slowly(int signal) {
    usleep(100000);
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    const char *kind = argv[1];
    pthread_t thread;
    alarm(4 * 3600); /* Longer than the longest torture: a test that was killed leaves nothing for ever. */
    take_lock(kind);
    if (!strcmp(kind, "hidden")) {
        int nothing = open("/dev/null", O_RDWR);
        for (int output = 0; output < 3; output++) dup2(nothing, output);
    } else if (!strcmp(kind, "background")) {
        if (fork()) _exit(0);
        setsid();
    } else if (!strcmp(kind, "leaderless")) {
        if (pthread_create(&thread, NULL, rest, NULL)) return 1;
        pthread_exit(NULL);
    } else if (!strcmp(kind, "patient")) {
        signal(SIGTERM, end_slowly);
        usleep(100000);
    }
    puts("up");
    fflush(stdout);
    while (!strcmp(kind, "flaky")) {
        usleep(100000);
        if (access("fail", F_OK) == 0) return 3;
    }
    rest(NULL);
}
