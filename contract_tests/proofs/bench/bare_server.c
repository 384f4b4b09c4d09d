/* A bare HTTP/1.1 server on loopback. It answers every request with the same bytes; a chunked one ends its
   connection.

   Usage: bare_server SIZE. It reads the whole reply, head included, as the first SIZE bytes of stdin (a pipe),
   prints its port, and ends when stdin ends, for example because its parent died. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_HEAD = 16384, MAX_EVENTS = 256 };

struct connection {
    int socket;
    size_t body_left;    /* bytes of the request's body that have not arrived */
    size_t replies_due;
    size_t sent;         /* bytes of the first reply due that are sent */
    size_t head_size;
    char head[MAX_HEAD];
};

static char *reply;
static size_t reply_size;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Start reading the body, which is empty without a length. Return 0 if it is chunked. */
static int begin_body(struct connection *c) {
    c->head[c->head_size - 1] = '\0';
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    if (strcasestr(c->head, "\r\ntransfer-encoding:")) return 0;
    c->body_left = length ? strtoul(length + strlen("\r\ncontent-length:"), NULL, 10) : 0;
    c->replies_due += c->body_left == 0;
    c->head_size = 0;
    return 1;
}

/* Read everything available. Return 0 if the connection has ended. */
static int receive(struct connection *c) {
    static char data[1 << 16];
    for (;;) {
        ssize_t size = recv(c->socket, data, sizeof data, 0);
        if (size <= 0) return size < 0 && errno == EAGAIN;
        for (char *at = data, *end = data + size; at < end;) {
            if (c->body_left) {
                size_t here = end - at;
                if (here > c->body_left) here = c->body_left;
                at += here;
                c->body_left -= here;
                c->replies_due += c->body_left == 0;
                continue;
            }
            if (c->head_size == MAX_HEAD) return 0;
            c->head[c->head_size++] = *at++;
            if (c->head_size >= 4 && !memcmp(c->head + c->head_size - 4, "\r\n\r\n", 4) && !begin_body(c)) return 0;
        }
    }
}

/* Send due replies until the socket blocks. Return 0 if the connection has ended. */
static int answer(struct connection *c) {
    while (c->replies_due) {
        ssize_t size = send(c->socket, reply + c->sent, reply_size - c->sent, MSG_NOSIGNAL);
        if (size < 0) return errno == EAGAIN;
        c->sent += size;
        if (c->sent == reply_size) {
            c->sent = 0;
            c->replies_due--;
        }
    }
    return 1;
}

static void watch(int epoll, int file, unsigned events, void *data) {
    struct epoll_event event = {.events = events, .data.ptr = data};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event)) fail("epoll_ctl");
}

int main(int count, char **arguments) {
    if (count != 2) {
        fputs("usage: bare_server SIZE\n", stderr);
        return 2;
    }
    reply_size = strtoul(arguments[1], NULL, 10);
    reply = malloc(reply_size);
    if (!reply) fail("malloc");
    for (size_t got = 0; got < reply_size;) {
        ssize_t size = read(STDIN_FILENO, reply + got, reply_size - got);
        if (size <= 0) fail("the reply on stdin is cut short");
        got += size;
    }

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, address_size) || listen(listener, 1024) ||
        getsockname(listener, (struct sockaddr *)&address, &address_size))
        fail("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    int epoll = epoll_create1(0);
    watch(epoll, STDIN_FILENO, EPOLLIN, NULL);
    watch(epoll, listener, EPOLLIN, &listener);
    for (;;) {
        struct epoll_event events[MAX_EVENTS];
        int ready = epoll_wait(epoll, events, MAX_EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) return 0; /* stdin has ended */
            if (events[i].data.ptr != &listener) {
                if (!receive(c) || !answer(c)) {
                    close(c->socket);
                    free(c);
                }
                continue;
            }
            int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (client < 0) continue; /* the client has already gone */
            setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
            struct connection *new = calloc(1, sizeof *new);
            if (!new) fail("calloc");
            new->socket = client;
            watch(epoll, client, EPOLLIN | EPOLLOUT | EPOLLET, new);
        }
    }
}
