/* held ABOUT GO SENT PROGRAM ARGUMENT…: runs the program, and holds it right before it first signals
   another process: ABOUT is made then, and GO is waited for. SENT is made when it has signaled. */
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void make(const char *path) { close(open(path, O_CREAT | O_WRONLY, 0600)); }

int main(int argc, char **argv) {
    if (argc < 5) return 127;
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execv(argv[4], argv + 4);
        _exit(127);
    }
    int status, held = 0, sent = 0;
    long signal = 0;
    if (waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status)) return 127;
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    for (;;) {
        ptrace(sent ? PTRACE_CONT : PTRACE_SYSCALL, child, 0, signal);
        if (waitpid(child, &status, 0) < 0) return 127;
        if (WIFEXITED(status)) return WEXITSTATUS(status);
        if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
        signal = WSTOPSIG(status);
        if (signal != (SIGTRAP | 0x80)) continue;
        signal = 0;
        if (held) {
            make(argv[3]);
            sent = 1;
            continue;
        }
        struct __ptrace_syscall_info call = {0};
        ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof call, &call);
        if (call.op != PTRACE_SYSCALL_INFO_ENTRY || call.entry.nr != SYS_pidfd_send_signal) continue;
        make(argv[1]);
        while (access(argv[2], F_OK) != 0) usleep(2000);
        held = 1;
    }
}
