/* Its first thread ends; another one listens on a port of 127.0.0.1, which it writes to stdout. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_t first;

static void *listen_forever(void *unused) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_join(first, NULL);
    if (bind(listener, (void *)&address, length) || listen(listener, 1)) return NULL;
    getsockname(listener, (void *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) pause();
}

int main(void) {
    pthread_t second;
    first = pthread_self();
    pthread_create(&second, NULL, listen_forever, NULL);
    pthread_exit(NULL);
}
