/* load - the load generator of Waterspout's benchmarks.
 *
 * One thread, one epoll loop, no dependencies but Linux.  It speaks enough of
 * WebSocket, long-polling, Socket.IO 5 over Engine.IO 4 (text packets),
 * Socket.IO 0.9, plain WebSockets and Server-Sent Events to put a server under
 * a known load, and prints one JSON object with what it saw.
 *
 *   build:  gcc -O2 -Wall -Wextra -o load load.c
 *   usage:  load --help
 *
 * The loads are closed loops: a connection sends its next message only when an
 * answer has come back, so a rate is what the server sustained.  Every answer
 * is compared byte for byte with the one expected, and after the measurement
 * the answers still under way are waited for and counted, so that one too few
 * ("lost") or one too many ("bad") is seen.
 *
 * Frames are built once, before the start: a message costs the generator one
 * copy and, unless several fill a read, one recv and one send.  "gen_cpu" says
 * how busy it was: near 1.0, the result measures the generator, not the server.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SEC 1000000000ull
#define MAX_WINDOW 4096
#define READ_SIZE (4 << 20)             /* the longest message that can be received */
#define CONNECT_SECS 120                /* for all connections to come up */
#define DRAIN_SECS 15                   /* for the last answers to come in */
#define MAX_LOST 1000                   /* connections, before the connect mode gives up */

#define MAX_PROTOS 8                    /* that one run can mix */
#define MAX_PORTS 8
#define MAX_PIDS 8

enum mode { ACK, EMIT, BCAST, CONNECT, IDLE, POLL, PUBLISH };
static const char *const mode_names[] = {"ack", "emit", "bcast", "connect", "idle", "poll", "publish"};

enum proto { SIO5, SIO09, WS, SSE, PROTOS };
static const char *const proto_names[PROTOS] = {"sio5", "sio09", "ws", "sse"};

static struct {
    enum mode mode;
    enum proto protos[MAX_PROTOS];
    const char *host, *payload, *proto;
    int ports[MAX_PORTS], port_count, pids[MAX_PIDS], pid_count;
    int publish_port, proto_count, conns, window, concurrency, sources;
    double duration, warmup;
    bool verbose;
} opt = {
    .host = "127.0.0.1", .payload = "{\"a\":1,\"b\":\"text\"}", .proto = "sio5", .proto_count = 1,
    .ports = {8000}, .port_count = 1, .conns = 100, .window = 1, .concurrency = 64, .sources = 1,
    .duration = 5, .warmup = 1,
};

static const char help[] =
    "usage: load MODE [options]\n"
    "\n"
    "modes\n"
    "  ack       N connections keep W events each unanswered; the server acknowledges\n"
    "  emit      the same, but the server answers with an event\n"
    "  bcast     one connection triggers; the server sends an event to all N\n"
    "  connect   connections made per second, C being made at a time, each closed\n"
    "            as soon as the protocol's handshake is complete\n"
    "  idle      hold N connections, answering pings; memory and CPU of the server\n"
    "  poll      long-polling: on N sessions, POST an event, GET its acknowledgement\n"
    "  publish   the server publishes to N subscribers what it is sent at another port\n"
    "\n"
    "options\n"
    "  -p, --proto P        sio5 (default), sio09 (not in the poll mode), or ws and sse\n"
    "                       (in the publish and idle modes); several, with commas between them,\n"
    "                       are given to the connections in turn\n"
    "  -P, --port N         server port (8000); several, with commas between them, are given\n"
    "                       to the connections in turn\n"
    "      --publish-port N port of the server for what it is to publish\n"
    "  -H, --host A         server IPv4 address (127.0.0.1)\n"
    "  -n, --conns N        connections (100)\n"
    "  -w, --window W       unanswered messages per connection, or unfinished\n"
    "                       broadcasts in the bcast and publish modes (1)\n"
    "  -c, --concurrency C  connections being made at a time (64)\n"
    "  -d, --duration S     seconds measured (5)\n"
    "  -W, --warmup S       seconds of load before those (1)\n"
    "  -j, --payload JSON   the event's argument ({\"a\":1,\"b\":\"text\"})\n"
    "  -s, --size N         use a JSON string of N characters as the argument\n"
    "  -S, --sources N      use source addresses 127.0.0.1 to 127.0.0.N (1)\n"
    "      --pid PID        the server: report its CPU and memory, children included; of\n"
    "                       several, with commas between them, the CPU of each, too\n"
    "  -v, --verbose        say on stderr what is going on\n"
    "\n"
    "the server's side\n"
    "  on \"echo\" with an acknowledgement: acknowledge with the same argument\n"
    "  on \"echo2\": emit \"echo2\" with the same argument to the sender\n"
    "  on \"bcast\": emit \"bcast\" with the same argument to everybody\n"
    "  on \"follow\": send what is published as the event \"news\", and acknowledge\n"
    "  a WebSocket at /news: send what is published as {\"data\":...}\n"
    "  GET /news: send what is published as Server-Sent Events without a name, in chunks\n"
    "  on the publish port: publish each line of JSON, which is [NUMBER, ARGUMENT]\n"
    "\n"
    "the result, a JSON object\n"
    "  count, rate          answers, deliveries or connections; per second\n"
    "  p50_us .. max_us     from sending to the answer (bcast and publish: to the last\n"
    "                       delivery)\n"
    "  bad, lost            wrong answers; connections cut and answers that never came\n"
    "  gen_cpu, srv_cpu     CPU share of the generator and of the server\n"
    "  gen_others, ...      share that others took of a core it is pinned to\n"
    "  us                   CPU of each process for a message or broadcast, in microseconds\n"
    "  rss_kb, kb_per_conn  memory of the server at the end; growth per connection\n";

static void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "load: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p)
        die("out of memory");
    return p;
}

/* ---------------------------------------------------------------- time and figures */

static uint64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SEC + (uint64_t)t.tv_nsec;
}

/* A histogram of nanoseconds: 64 linear steps in each power of two. */
#define HIST_SIZE (64 * 59)
static struct { uint64_t total, max; uint32_t count[HIST_SIZE]; } hist;

static void hist_add(uint64_t v)
{
    unsigned i = (unsigned)v;
    if (v >= 64) {
        int shift = 57 - __builtin_clzll(v);
        i = (unsigned)(shift * 64 + (int)(v >> shift));
    }
    hist.count[i]++;
    hist.total++;
    if (v > hist.max)
        hist.max = v;
}

/* The value, in microseconds, that a share q of the values does not exceed. */
static double hist_us(double q)
{
    uint64_t left = (uint64_t)((double)hist.total * q);
    for (unsigned i = 0; i < HIST_SIZE; i++) {
        if (hist.count[i] > left) {
            unsigned shift = i / 64 ? i / 64 - 1 : 0;
            uint64_t step = i / 64 ? 64 + i % 64 : i;
            return (double)(step << shift) / 1e3;
        }
        left -= hist.count[i];
    }
    return (double)hist.max / 1e3;
}

/* What /proc knows about a process and its descendants. */
struct usage { double cpu; long rss_kb; };

static void add_usage(int pid, struct usage *u)
{
    char path[64], buf[4096];
    FILE *f;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (!(f = fopen(path, "r")))
        return;
    if (fgets(buf, sizeof buf, f)) {
        unsigned long utime = 0, stime = 0;
        char *after_name = strrchr(buf, ')');
        if (after_name)
            sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                   &utime, &stime);
        u->cpu += (double)(utime + stime) / (double)sysconf(_SC_CLK_TCK);
    }
    fclose(f);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if ((f = fopen(path, "r"))) {
        long kb;
        while (fgets(buf, sizeof buf, f))
            if (sscanf(buf, "VmRSS: %ld", &kb) == 1)
                u->rss_kb += kb;
        fclose(f);
    }
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    if ((f = fopen(path, "r"))) {
        int child;
        while (fscanf(f, "%d", &child) == 1)
            add_usage(child, u);
        fclose(f);
    }
}

static double own_cpu(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* Seconds for which the core was busy that a process (0: this one) is pinned
 * to, whoever kept it busy; 0 when the process may run on several. */
static double core_busy(int pid)
{
    char name[16], line[512];
    double ticks = 0;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(pid, sizeof set, &set) < 0 || CPU_COUNT(&set) != 1)
        return 0;
    size_t core = 0;
    while (!CPU_ISSET(core, &set))
        core++;
    size_t n = (size_t)snprintf(name, sizeof name, "cpu%zu ", core);
    FILE *f = fopen("/proc/stat", "r");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f)) {
        unsigned long user, nice, system, irq, softirq, steal;
        if (!strncmp(line, name, n) &&
            sscanf(line + n, "%lu %lu %lu %*u %*u %lu %lu %lu",
                   &user, &nice, &system, &irq, &softirq, &steal) == 6)
            ticks = (double)(user + nice + system + irq + softirq + steal);
    }
    fclose(f);
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

/* All that is read at the start and at the end of the measurement. */
struct sample {
    uint64_t at, done;
    double own_cpu, own_core, server_core;
    struct usage server, each[MAX_PIDS]; /* all together; each of opt.pids */
};

/* ---------------------------------------------------------------- connections */

enum state {
    CLOSED,
    TCP,       /* connect() under way */
    HANDSHAKE, /* sio09 and poll: the session id is awaited; sse: the head of the answer */
    UPGRADE,   /* the 101 response is awaited */
    OPENING,   /* sio5: "0{...}" is awaited; sio09: "1::" */
    JOINING,   /* sio5: "40{...}" is awaited; poll: the response to the POST of "40" */
    JOIN_GET,  /* poll: the GET that brings "40{...}" */
    FOLLOWING, /* publish: the acknowledgement of "follow" is awaited */
    READY,
    POSTED,    /* poll: POST sent */
    GETTING,   /* poll: GET sent */
};

struct conn {
    int fd;
    enum proto proto;
    int port;
    enum state state;
    bool armed;             /* EPOLLOUT is asked for */
    bool pong_due;          /* poll: a ping was seen */
    uint64_t began;         /* ns: when connect(), or this round of requests, began */
    uint64_t sent;          /* messages that are to be answered */
    uint64_t received;      /* answers or broadcasts so far */
    uint64_t *sent_at;      /* ns, by window slot */
    char *in, *out;         /* input not yet parsed; output not yet sent */
    char *event;            /* sse: the beginning of an event, of which the rest is in the next chunk */
    size_t in_len, in_size, out_len, out_size, event_len, event_size;
    char sid[72];
};

/* What is sent in a window slot, and the answer to it; in the publish mode, what
 * each protocol's clients have to receive. */
struct text { char *text; size_t len; };
struct slot { char *frame, *expect; size_t frame_len, expect_len; struct text published[PROTOS]; };

static struct conn *conns;          /* opt.conns of them */
static struct slot *slots;          /* opt.window of them */
static int epoll_fd;
static struct sockaddr_in server;
static char *read_buf;
static uint64_t now;

static enum { CONNECTING, SETTLING, WARMING, MEASURING, DRAINING, DONE } phase;
static uint64_t deadline;           /* ns: when the phase is over */
static int opened, making, ready;   /* connections: begun, being made, complete */
static uint64_t asked, answers;     /* by all connections together */
static uint64_t done, bad, lost, pings;

/* Broadcasts under way: round r is entry r % window. */
static uint64_t next_round, finished_rounds, *round_at;
static int *round_left;
static int publish_fd;

static void conn_begin(struct conn *c);
static void conn_fail(struct conn *c, const char *why);

static void append(char **buf, size_t *len, size_t *size, const void *p, size_t n)
{
    if (*len + n > *size) {
        *size = (*len + n) * 2;
        if (!(*buf = realloc(*buf, *size)))
            die("out of memory");
    }
    memcpy(*buf + *len, p, n);
    *len += n;
}

static void conn_arm(struct conn *c, bool out)
{
    struct epoll_event e = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
    if (c->armed != out && epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e) < 0)
        die("epoll_ctl: %s", strerror(errno));
    c->armed = out;
}

static void queue(struct conn *c, const void *p, size_t n)
{
    append(&c->out, &c->out_len, &c->out_size, p, n);
}

static void flush(struct conn *c)
{
    if (!c->out_len)
        return;
    ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        conn_fail(c, strerror(errno));
        return;
    }
    if (n > 0) {
        c->out_len -= (size_t)n;
        memmove(c->out, c->out + n, c->out_len);
    }
    conn_arm(c, c->out_len > 0);
}

static void queuef(struct conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void queuef(struct conn *c, const char *fmt, ...)
{
    char buf[2048];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(buf, sizeof buf, fmt, args);
    va_end(args);
    queue(c, buf, (size_t)n);
}

static void conn_close(struct conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->in_len = c->out_len = c->event_len = 0;
    c->armed = false;
    c->state = CLOSED;
}

static void conn_fail(struct conn *c, const char *why)
{
    enum state state = c->state;
    lost++;
    if (opt.verbose || lost == 1)
        fprintf(stderr, "load: connection %d, state %d: %s\n", (int)(c - conns), state, why);
    if (opt.mode != CONNECT && opt.mode != IDLE)
        die("a connection was lost under load");
    if (lost > MAX_LOST)
        die("too many connections were lost");
    conn_close(c);
    if (opt.mode == CONNECT)
        conn_begin(c);
    else if (state >= READY)
        ready--;
    else
        making--;
}

static void conn_begin(struct conn *c)
{
    static unsigned source;
    int one = 1;
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket: %s (raise ulimit -n?)", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (opt.sources > 1) {
        struct sockaddr_in a = {.sin_family = AF_INET};
        a.sin_addr.s_addr = htonl(0x7f000001u + source++ % (unsigned)opt.sources);
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(c->fd, (struct sockaddr *)&a, sizeof a) < 0)
            die("bind: %s", strerror(errno));
    }
    c->began = clock_ns();
    c->state = TCP;
    c->armed = true;
    server.sin_port = htons((uint16_t)c->port);
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        die("connect: %s (use --sources?)", strerror(errno));
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

/* ---------------------------------------------------------------- WebSocket frames */

enum { TEXT = 0x81, CLOSE = 0x88, PING = 0x89, PONG = 0x8a };

/* Writes a masked frame to `to` (14 bytes longer than the text at most). */
static size_t ws_frame(char *to, uint8_t opcode, const char *text, size_t n)
{
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint8_t *f = (uint8_t *)to;
    int length_bits = n < 126 ? 0 : n < 65536 ? 16 : 64;
    *f++ = opcode;
    *f++ = (uint8_t)(0x80 | (length_bits == 0 ? n : length_bits == 16 ? 126 : 127));
    while ((length_bits -= 8) >= 0)
        *f++ = (uint8_t)((uint64_t)n >> length_bits);
    memcpy(f, key, 4);
    f += 4;
    for (size_t i = 0; i < n; i++)
        *f++ = (uint8_t)text[i] ^ key[i % 4];
    return (size_t)((char *)f - to);
}

/* For control frames and short packets: 125 bytes at most. */
static void queue_frame(struct conn *c, uint8_t opcode, const char *text, size_t n)
{
    char frame[256];
    queue(c, frame, ws_frame(frame, opcode, text, n < 126 ? n : 125));
}

/* ---------------------------------------------------------------- HTTP */

static const char *header(const char *head, const char *end, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = head; p && p < end; p = memchr(p, '\n', (size_t)(end - p)), p = p ? p + 1 : p)
        if ((size_t)(end - p) > n && !strncasecmp(p, name, n) && p[n] == ':') {
            for (p += n + 1; *p == ' '; p++)
                ;
            return p;
        }
    return NULL;
}

struct response { size_t used, len; int status; char *body; };

/* Looks for one complete response in p[0..n); .used is its length, or 0 when
 * more is needed.  The chunks of the body are joined, in place. */
static struct response http_response(char *p, size_t n)
{
    struct response r = {0};
    char *end = memmem(p, n, "\r\n\r\n", 4);
    if (!end)
        return r;
    char *body = r.body = end + 4;
    size_t head = (size_t)(body - p);
    r.status = atoi(p + 9);
    const char *length = header(p, end, "content-length");
    const char *coding = header(p, end, "transfer-encoding");
    if (length || r.status < 200 || r.status == 204 || r.status == 304) {
        r.len = length ? strtoul(length, NULL, 10) : 0;
        if (head + r.len <= n)
            r.used = head + r.len;
        return r;
    }
    if (!coding || strncasecmp(coding, "chunked", 7))
        die("a response has neither Content-Length nor chunks");
    /* First see that all chunks are there, only then move them together. */
    for (int pass = 0; pass < 2; pass++) {
        char *from = body, *to = body;
        for (size_t size = 1; size; from += size + 2) {
            char *eol = memmem(from, n - (size_t)(from - p), "\r\n", 2);
            if (!eol)
                return r;
            size = strtoul(from, NULL, 16);
            from = eol + 2;
            if ((size_t)(from - p) + size + 2 > n)
                return r;
            if (pass)
                memmove(to, from, size);
            to += size;
        }
        r.len = (size_t)(to - body);
        if (pass)
            r.used = (size_t)(from - p);
    }
    return r;
}

static void request_get(struct conn *c, const char *path)
{
    queuef(c, "GET %s HTTP/1.1\r\nHost: %s:%d\r\nAccept: */*\r\n\r\n", path, opt.host, c->port);
}

static void request_upgrade(struct conn *c, const char *path)
{
    queuef(c, "GET %s HTTP/1.1\r\nHost: %s:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              "Origin: http://%s:%d\r\nSec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
           path, opt.host, c->port, opt.host, c->port);
    c->state = UPGRADE;
}

static void poll_post(struct conn *c, const char *body)
{
    queuef(c, "POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: %s:%d\r\n"
              "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n\r\n",
           c->sid, opt.host, c->port, strlen(body));
    queue(c, body, strlen(body));
}

static void poll_get(struct conn *c)
{
    char path[160];
    snprintf(path, sizeof path, "/socket.io/?EIO=4&transport=polling&sid=%s", c->sid);
    request_get(c, path);
}

/* ---------------------------------------------------------------- the loads */

static bool equal(const char *p, size_t n, const char *text, size_t text_len)
{
    return n == text_len && !memcmp(p, text, n);
}

static bool starts(const char *p, size_t n, const char *with)
{
    return n >= strlen(with) && !memcmp(p, with, strlen(with));
}

static void wrong(const char *expect, const char *p, size_t n)
{
    if (!bad++)
        fprintf(stderr, "load: expected %s, got %.*s\n", expect, (int)(n < 300 ? n : 300), p);
}

static void count_since(uint64_t since)
{
    done++;
    if (phase == MEASURING)
        hist_add(now - since);
}

static void asks(struct conn *c)
{
    c->sent++;
    asked++;
}

static void answered(struct conn *c, uint64_t since)
{
    c->received++;
    answers++;
    count_since(since);
}

static void send_slot(struct conn *c, int slot)
{
    asks(c);
    c->sent_at[slot] = now;
    queue(c, slots[slot].frame, slots[slot].frame_len);
}

static void poll_round(struct conn *c)
{
    char body[8192];
    snprintf(body, sizeof body, "%s%s", c->pong_due ? "3\x1e" : "", slots[0].frame);
    asks(c);
    c->pong_due = false;
    c->began = now;
    c->state = POSTED;
    poll_post(c, body);
}

static void set_text(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void set_text(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    free(t->text);
    int n = vasprintf(&t->text, fmt, args);
    va_end(args);
    if (n < 0)
        die("out of memory");
    t->len = (size_t)n;
}

/* Lets the server publish the message of a round.  It has the round's number, so
 * that no client can take one message for another. */
static void publish(struct slot *s, uint64_t number)
{
    static struct text line;
    struct text *message = &s->published[SSE];
    set_text(message, "[%llu,%s]", (unsigned long long)number, opt.payload);
    set_text(&s->published[SIO5], "42[\"news\",%s", message->text);
    set_text(&s->published[SIO09], "5:::{\"name\":\"news\",\"args\":[%s", message->text);
    set_text(&s->published[WS], "{\"data\":%s}", message->text);
    set_text(&line, "%s\n", message->text);
    if (send(publish_fd, line.text, line.len, MSG_NOSIGNAL) != (ssize_t)line.len)
        die("the publish port: %s", strerror(errno));
}

/* Starts broadcasts while there is room in the window. */
static void start_rounds(void)
{
    while (phase < DRAINING && next_round < finished_rounds + (uint64_t)opt.window) {
        uint64_t round = next_round++;
        int i = (int)(round % (uint64_t)opt.window);
        round_at[i] = clock_ns();
        round_left[i] = opt.conns;
        asked += (uint64_t)opt.conns;
        if (opt.mode == PUBLISH) {
            publish(&slots[i], round);
        } else {
            queue(&conns[0], slots[0].frame, slots[0].frame_len);
            flush(&conns[0]);
        }
    }
}

/* A broadcast has come to one member: rounds end in the order of their start. */
static void delivered(struct conn *c)
{
    int i = (int)(c->received++ % (uint64_t)opt.window);
    done++;
    answers++;
    if (--round_left[i] == 0) {
        if (phase == MEASURING)
            hist_add(clock_ns() - round_at[i]);
        finished_rounds++;
        start_rounds();
    } else if (round_left[i] < 0) {
        bad++;
    }
}

/* A connection has come through its handshake.  False: it is closed again. */
static bool conn_ready(struct conn *c)
{
    if (opt.mode == CONNECT) {
        count_since(c->began);
        conn_close(c);
        conn_begin(c);
        return false;
    }
    c->state = READY;
    making--;
    ready++;
    return true;
}

static void start_load(void)
{
    if (opt.mode == BCAST || opt.mode == PUBLISH)
        start_rounds();
    for (int i = 0; i < opt.conns && opt.mode != BCAST && opt.mode != PUBLISH; i++) {
        struct conn *c = &conns[i];
        now = clock_ns();
        if (opt.mode == ACK || opt.mode == EMIT)
            for (int w = 0; w < opt.window; w++)
                send_slot(c, w);
        else if (opt.mode == POLL)
            poll_round(c);
        flush(c);
    }
}

/* The window slot that an answer belongs to: an acknowledgement says it, events
 * come in the order of the requests. */
static int slot_of(const struct conn *c, const char *p, size_t n)
{
    if (opt.mode == BCAST)
        return 0;
    if (opt.mode == EMIT)
        return (int)(c->received % (uint64_t)opt.window);
    int slot = 0;
    for (size_t at = c->proto == SIO5 ? 2 : 4; at < n && p[at] >= '0' && p[at] <= '9'; at++)
        slot = (slot * 10 + p[at] - '0') % MAX_WINDOW;
    return slot % opt.window;
}

/* A message that was published: each client gets all of them, once and in order.
 * Clients of Socket.IO may get more arguments, such as its id. */
static void on_published(struct conn *c, const char *p, size_t n)
{
    const struct text *expect = &slots[c->received % (uint64_t)opt.window].published[c->proto];
    bool complete = c->proto >= WS ? n == expect->len : n > expect->len;
    if (c->received >= next_round)
        wrong("nothing", p, n);
    else if (!complete || memcmp(p, expect->text, expect->len))
        wrong(expect->text, p, n);
    else
        delivered(c);
}

/* A Socket.IO event or acknowledgement. */
static void on_message(struct conn *c, const char *p, size_t n)
{
    if (opt.mode == PUBLISH) {
        on_published(c, p, n);
        return;
    }
    int slot = slot_of(c, p, n);
    if (opt.mode == IDLE || !equal(p, n, slots[slot].expect, slots[slot].expect_len)) {
        wrong(opt.mode == IDLE ? "nothing" : slots[slot].expect, p, n);
    } else if (opt.mode == BCAST) {
        delivered(c);
    } else {
        answered(c, c->sent_at[slot]);
        if (phase < DRAINING)
            send_slot(c, slot);
    }
}

/* The client is in the namespace; a subscriber has to say that it is one. */
static bool on_joined(struct conn *c)
{
    const char *follow = c->proto == SIO5 ? "420[\"follow\"]" : "5:0+::{\"name\":\"follow\"}";
    if (opt.mode != PUBLISH)
        return conn_ready(c);
    queue_frame(c, TEXT, follow, strlen(follow));
    c->state = FOLLOWING;
    return true;
}

/* One WebSocket message.  False: the connection is closed. */
static bool on_text(struct conn *c, const char *p, size_t n)
{
    const char *ping = c->proto == SIO5 ? "2" : "2::", *pong = c->proto == SIO5 ? "3" : "2::";
    if (c->proto != WS && equal(p, n, ping, strlen(ping))) {
        pings++;
        queue_frame(c, TEXT, pong, strlen(pong));
    } else if (c->state == READY) {
        on_message(c, p, n);
    } else if (c->proto == SIO5 && c->state == OPENING && starts(p, n, "0{")) {
        queue_frame(c, TEXT, "40", 2);
        c->state = JOINING;
    } else if (c->state == FOLLOWING && starts(p, n, c->proto == SIO5 ? "430[" : "6:::0")) {
        return conn_ready(c);
    } else if (c->state < FOLLOWING && starts(p, n, c->proto == SIO5 ? "40{" : "1::")) {
        return on_joined(c);
    } else {
        wrong("a handshake", p, n);
    }
    return true;
}

/* ---------------------------------------------------------------- input */

static bool on_upgrade(struct conn *c, const char *p, const struct response *r)
{
    const char *accept = header(p, r->body, "sec-websocket-accept");
    if (r->status != 101 || !accept || strncmp(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28))
        die("the server refused the upgrade: %.*s", (int)(r->used < 300 ? r->used : 300), p);
    c->state = OPENING;
    return c->proto != WS || conn_ready(c);
}

static void copy_sid(struct conn *c, const char *from, const char *end, char stop)
{
    const char *to = from ? memchr(from, stop, (size_t)(end - from)) : NULL;
    if (!to || (size_t)(to - from) >= sizeof c->sid)
        die("no session id in the handshake's response");
    memcpy(c->sid, from, (size_t)(to - from));
    c->sid[to - from] = 0;
}

/* sio09: the handshake's response is "SID:heartbeat:close:transports". */
static bool on_sio09_handshake(struct conn *c, const struct response *r)
{
    char path[160];
    copy_sid(c, r->body, r->body + r->len, ':');
    snprintf(path, sizeof path, "/socket.io/1/websocket/%s", c->sid);
    request_upgrade(c, path);
    return true;
}

/* The packets that a GET brought.  True: the acknowledgement is among them. */
static bool poll_packets(struct conn *c, const char *p, size_t n)
{
    const char *end = p + n, *stop;
    bool found = false;
    for (; p <= end; p = stop + 1) {
        if (!(stop = memchr(p, 0x1e, (size_t)(end - p))))
            stop = end;
        size_t len = (size_t)(stop - p);
        if (equal(p, len, "2", 1)) {
            pings++;
            c->pong_due = true;
        } else if (!found && equal(p, len, slots[0].expect, slots[0].expect_len)) {
            found = true;
        } else if (!equal(p, len, "6", 1)) {
            wrong(slots[0].expect, p, len);
        }
    }
    return found;
}

static void on_poll_answer(struct conn *c, const struct response *r)
{
    if (poll_packets(c, r->body, r->len)) {
        answered(c, c->began);
        if (phase < DRAINING)
            poll_round(c);
    } else if (c->pong_due) {
        poll_post(c, "3");
        c->pong_due = false;
        c->state = POSTED;
    } else {
        poll_get(c);
    }
}

/* poll: the steps are open, POST "40", GET "40{...}", then POST and GET by turns. */
static bool on_poll(struct conn *c, const struct response *r)
{
    enum state state = c->state;
    if (r->status != 200)
        die("HTTP status %d: %.*s", r->status, (int)r->len, r->body);
    if (state == HANDSHAKE) {
        char *sid = memmem(r->body, r->len, "\"sid\":\"", 7);
        copy_sid(c, sid ? sid + 7 : NULL, r->body + r->len, '"');
        poll_post(c, "40");
        c->state = JOINING;
    } else if (state == JOINING || state == POSTED) {
        poll_get(c);
        c->state = state == JOINING ? JOIN_GET : GETTING;
    } else if (state == JOIN_GET && memmem(r->body, r->len, "40{", 3)) {
        return conn_ready(c);
    } else if (state == GETTING) {
        on_poll_answer(c, r);
    } else {
        wrong("a handshake", r->body, r->len);
        poll_get(c);
    }
    return true;
}

/* These take input p[0..n) and return how much of it was used, or -1 when the
 * connection was closed meanwhile. */

static ssize_t take_frames(struct conn *c, char *p, size_t n)
{
    size_t used = 0;
    while (n - used >= 2) {
        uint8_t *f = (uint8_t *)p + used;
        size_t len = f[1] & 127, head = len < 126 ? 2 : len == 126 ? 4 : 10;
        if (n - used < head)
            break;
        for (size_t i = 2; i < head; i++)
            len = (i == 2 ? 0 : len << 8) | f[i];
        if (f[1] & 128 || len > READ_SIZE)
            die("a frame of %zu bytes, or a masked one: %02x %02x", len, f[0], f[1]);
        if (n - used < head + len)
            break;
        used += head + len;
        if (f[0] == TEXT) {
            if (!on_text(c, (char *)f + head, len))
                return -1;
        } else if (f[0] == CLOSE) {
            conn_fail(c, "the server sent a close frame");
            return -1;
        } else if (f[0] == PING) {
            pings++;
            queue_frame(c, PONG, (char *)f + head, len);
        } else if (f[0] != PONG) {
            wrong("a text frame", (char *)f + head, len);
        }
    }
    return (ssize_t)used;
}

/* One event, without the empty line at its end.  Ours with a name tell of the
 * stream, and peers have none; comments are no events. */
static void on_event(struct conn *c, const char *p, const char *end)
{
    const char *data = NULL, *eol;
    size_t len = 0;
    for (; p < end; p = eol + 1) {
        if (!(eol = memchr(p, '\n', (size_t)(end - p))))
            eol = end;
        if (starts(p, (size_t)(eol - p), "event:"))
            return;
        if (starts(p, (size_t)(eol - p), "data: ")) {
            if (data)
                wrong("data of one line", p, (size_t)(eol - p));
            data = p + 6;
            len = (size_t)(eol - data);
            if (len && data[len - 1] == '\r')
                len--;
        }
    }
    if (data && (c->state != READY || opt.mode == IDLE))
        wrong("nothing", data, len);
    else if (data)
        on_published(c, data, len);
}

/* Hands over all events that are complete, and returns how much that was. */
static size_t take_events(struct conn *c, const char *p, size_t n)
{
    const char *end = p + n, *event = p, *eol;
    for (; p < end && (eol = memchr(p, '\n', (size_t)(end - p))); p = eol + 1)
        if (eol == p || (eol == p + 1 && *p == '\r')) {
            on_event(c, event, p);
            event = eol + 1;
        }
    return n - (size_t)(end - event);
}

/* The chunks of an endless answer; nothing says that an event is one of them. */
static ssize_t take_chunks(struct conn *c, char *p, size_t n)
{
    size_t used = 0;
    char *eol;
    while (used < n && (eol = memmem(p + used, n - used, "\r\n", 2))) {
        size_t size = strtoul(p + used, NULL, 16), head = (size_t)(eol + 2 - p) - used;
        if (!size)
            die("the server ended an answer");
        if (n - used < head + size + 2)
            break;
        char *content = eol + 2;
        used += head + size + 2;
        if (c->event_len) {
            append(&c->event, &c->event_len, &c->event_size, content, size);
            size_t taken = take_events(c, c->event, c->event_len);
            c->event_len -= taken;
            memmove(c->event, c->event + taken, c->event_len);
        } else {
            size_t taken = take_events(c, content, size);
            if (taken < size)
                append(&c->event, &c->event_len, &c->event_size, content + taken, size - taken);
        }
    }
    return (ssize_t)used;
}

static ssize_t take_head(struct conn *c, char *p, size_t n)
{
    char *end = memmem(p, n, "\r\n\r\n", 4);
    if (!end)
        return 0;
    const char *coding = header(p, end, "transfer-encoding");
    if (atoi(p + 9) != 200 || !coding || strncasecmp(coding, "chunked", 7))
        die("no endless answer: %.*s", (int)(end - p), p);
    conn_ready(c);
    return end + 4 - p;
}

static ssize_t take(struct conn *c, char *p, size_t n)
{
    if (c->proto == SSE)
        return c->state == HANDSHAKE ? take_head(c, p, n) : take_chunks(c, p, n);
    if (opt.mode != POLL && c->state >= OPENING)
        return take_frames(c, p, n);
    struct response r = http_response(p, n);
    if (!r.used)
        return 0;
    bool open = opt.mode == POLL ? on_poll(c, &r)
              : c->state == HANDSHAKE ? on_sio09_handshake(c, &r) : on_upgrade(c, p, &r);
    return open ? (ssize_t)r.used : -1;
}

static void on_readable(struct conn *c)
{
    if (c->in_len == READ_SIZE)
        die("a message is longer than %d bytes", READ_SIZE);
    if (c->in_len)
        memcpy(read_buf, c->in, c->in_len);
    ssize_t got = recv(c->fd, read_buf + c->in_len, READ_SIZE - c->in_len, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            conn_fail(c, got ? strerror(errno) : "closed by the server");
        return;
    }
    now = clock_ns();
    size_t n = c->in_len + (size_t)got, used = 0;
    while (used < n) {
        ssize_t k = take(c, read_buf + used, n - used);
        if (k < 0)
            return;
        if (k == 0)
            break;
        used += (size_t)k;
    }
    c->in_len = 0;
    if (n > used)
        append(&c->in, &c->in_len, &c->in_size, read_buf + used, n - used);
    flush(c);
}

static void on_connected(struct conn *c)
{
    int error = 0;
    socklen_t n = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error) {
        conn_fail(c, strerror(error));
        return;
    }
    c->state = HANDSHAKE;
    if (opt.mode == POLL)
        request_get(c, "/socket.io/?EIO=4&transport=polling");
    else if (c->proto == SSE)
        request_get(c, "/news");
    else if (c->proto == WS)
        request_upgrade(c, "/news");
    else if (c->proto == SIO09)
        request_get(c, "/socket.io/1/");
    else
        request_upgrade(c, "/socket.io/?EIO=4&transport=websocket");
    flush(c);
}

/* ---------------------------------------------------------------- set-up */

static char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *format(const char *fmt, ...)
{
    char *text;
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        die("out of memory");
    va_end(args);
    return text;
}

/* The packet that is sent in slot i, and the one that answers it. */
static void build_packets(int i, char **sent, char **expect)
{
    const char *event = opt.mode == BCAST ? "bcast" : opt.mode == EMIT ? "echo2" : "echo";
    bool ack = opt.mode == ACK || opt.mode == POLL;
    char id[16] = "";
    if (ack)
        snprintf(id, sizeof id, opt.protos[0] == SIO09 ? "%d+" : "%d", i);
    if (opt.protos[0] == SIO5) {
        *sent = format("42%s[\"%s\",%s]", id, event, opt.payload);
        *expect = ack ? format("43%s[%s]", id, opt.payload)
                      : format("42[\"%s\",%s]", event, opt.payload);
    } else {
        *sent = format("5:%s::{\"name\":\"%s\",\"args\":[%s]}", id, event, opt.payload);
        *expect = ack ? format("6:::%s[%s]", id, opt.payload)
                      : format("5:::{\"name\":\"%s\",\"args\":[%s]}", event, opt.payload);
    }
}

static void build_slots(void)
{
    slots = allocate((size_t)opt.window, sizeof *slots);
    for (int i = 0; i < opt.window; i++) {
        struct slot *s = &slots[i];
        char *text;
        build_packets(i, &text, &s->expect);
        size_t n = strlen(text);
        s->expect_len = strlen(s->expect);
        if (opt.mode == POLL) {
            if (n > 8000)
                die("the payload is too long for the poll mode");
            s->frame = text;
            s->frame_len = n;
        } else {
            s->frame = allocate(n + 14, 1);
            s->frame_len = ws_frame(s->frame, TEXT, text, n);
            free(text);
        }
    }
}

static int find_name(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(name, names[i]))
            return (int)i;
    die("unknown: %s (see --help)", name);
}

#define FIND(name, names) find_name(name, names, sizeof names / sizeof *names)

static void read_protos(const char *names)
{
    char *rest = strdup(names), *name;
    opt.proto = names;
    for (opt.proto_count = 0; (name = strsep(&rest, ",")); opt.proto_count++) {
        if (opt.proto_count == MAX_PROTOS)
            die("more than %d protocols", MAX_PROTOS);
        opt.protos[opt.proto_count] = (enum proto)FIND(name, proto_names);
    }
}

static int read_numbers(const char *text, int *numbers, int most)
{
    char *rest = strdup(text), *number;
    int count = 0;
    while ((number = strsep(&rest, ","))) {
        if (count == most)
            die("more than %d in %s", most, text);
        numbers[count++] = atoi(number);
    }
    return count;
}

static bool speaks(enum proto proto)
{
    for (int i = 0; i < opt.proto_count; i++)
        if (opt.protos[i] == proto)
            return true;
    return false;
}

static const char *json_string(int n)
{
    char *text = allocate((size_t)n + 3, 1);
    memset(text, 'x', (size_t)n + 2);
    text[0] = text[n + 1] = '"';
    return text;
}

static void read_options(int argc, char **argv)
{
    static const struct option longs[] = {
        {"proto", 1, 0, 'p'}, {"port", 1, 0, 'P'}, {"host", 1, 0, 'H'}, {"conns", 1, 0, 'n'},
        {"window", 1, 0, 'w'}, {"concurrency", 1, 0, 'c'}, {"duration", 1, 0, 'd'},
        {"warmup", 1, 0, 'W'}, {"payload", 1, 0, 'j'}, {"size", 1, 0, 's'},
        {"sources", 1, 0, 'S'}, {"pid", 1, 0, 1}, {"publish-port", 1, 0, 2}, {"verbose", 0, 0, 'v'}, {"help", 0, 0, 'h'},
        {0, 0, 0, 0}};
    int o;
    while ((o = getopt_long(argc, argv, "p:P:H:n:w:c:d:W:j:s:S:vh", longs, NULL)) != -1) {
        switch (o) {
        case 'p': read_protos(optarg); break;
        case 'P': opt.port_count = read_numbers(optarg, opt.ports, MAX_PORTS); break;
        case 'H': opt.host = optarg; break;
        case 'n': opt.conns = atoi(optarg); break;
        case 'w': opt.window = atoi(optarg); break;
        case 'c': opt.concurrency = atoi(optarg); break;
        case 'd': opt.duration = atof(optarg); break;
        case 'W': opt.warmup = atof(optarg); break;
        case 'j': opt.payload = optarg; break;
        case 's': opt.payload = json_string(atoi(optarg)); break;
        case 'S': opt.sources = atoi(optarg); break;
        case 'v': opt.verbose = true; break;
        case 1: opt.pid_count = read_numbers(optarg, opt.pids, MAX_PIDS); break;
        case 2: opt.publish_port = atoi(optarg); break;
        case 'h': fputs(help, stdout); exit(0);
        default: fputs("see load --help\n", stderr); exit(2);
        }
    }
    if (optind != argc - 1)
        die("one mode is needed (see --help)");
    opt.mode = (enum mode)FIND(argv[optind], mode_names);
    if (opt.conns < 1 || opt.concurrency < 1 || opt.window < 1 || opt.window > MAX_WINDOW ||
        opt.sources < 1 || opt.sources > 250 || opt.duration <= 0)
        die("an option is out of range");
    if (opt.mode == POLL && (speaks(SIO09) || opt.proto_count > 1))
        die("the poll mode speaks sio5 only");
    if (opt.mode != PUBLISH && opt.mode != IDLE && (speaks(SSE) || speaks(WS) || opt.proto_count > 1))
        die("sse, ws and several protocols are for the publish and idle modes");
    if (opt.mode == PUBLISH && !opt.publish_port)
        die("the publish mode needs --publish-port");
    if (opt.mode == CONNECT)
        opt.conns = opt.concurrency;
    if (opt.mode == POLL)
        opt.window = 1;
}

static void open_publish_port(void)
{
    struct sockaddr_in a = server;
    int one = 1;
    a.sin_port = htons((uint16_t)opt.publish_port);
    publish_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (publish_fd < 0 || connect(publish_fd, (struct sockaddr *)&a, sizeof a) < 0)
        die("the publish port: %s", strerror(errno));
    setsockopt(publish_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void set_up(void)
{
    build_slots();
    conns = allocate((size_t)opt.conns, sizeof *conns);
    round_at = allocate((size_t)opt.window, sizeof *round_at);
    round_left = allocate((size_t)opt.window, sizeof *round_left);
    read_buf = allocate(READ_SIZE + 1, 1);
    for (int i = 0; i < opt.conns; i++) {
        conns[i].fd = -1;
        conns[i].proto = opt.protos[i % opt.proto_count];
        conns[i].port = opt.ports[i % opt.port_count];
        conns[i].sent_at = allocate((size_t)opt.window, sizeof *conns[i].sent_at);
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    server = (struct sockaddr_in){.sin_family = AF_INET};
    if (inet_pton(AF_INET, opt.host, &server.sin_addr) != 1)
        die("not an IPv4 address: %s", opt.host);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (opt.mode == PUBLISH)
        open_publish_port();
}

/* ---------------------------------------------------------------- loop and report */

static struct sample take_sample(void)
{
    struct sample s = {.at = clock_ns(), .done = done, .own_cpu = own_cpu(), .own_core = core_busy(0)};
    for (int i = 0; i < opt.pid_count; i++) {
        add_usage(opt.pids[i], &s.each[i]);
        s.server.cpu += s.each[i].cpu;
        s.server.rss_kb += s.each[i].rss_kb;
    }
    if (opt.pid_count)
        s.server_core = core_busy(opt.pids[0]);
    return s;
}

static void turn(void)
{
    struct epoll_event events[512];
    while (opened < opt.conns && making < opt.concurrency) {
        making++;
        conn_begin(&conns[opened++]);
    }
    int n = epoll_wait(epoll_fd, events, 512, 20);
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        if (c->state == TCP)
            on_connected(c);
        else if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            on_readable(c);
        else if (events[i].events & EPOLLOUT)
            flush(c);
    }
    now = clock_ns();
}

static bool phase_over(void)
{
    if (phase == CONNECTING && (opt.mode == CONNECT || ready == opt.conns))
        return true;
    if (phase == CONNECTING && now >= deadline)
        die("only %d of %d connections came up", ready, opt.conns);
    return now >= deadline || (phase == DRAINING && answers >= asked);
}

/* Runs the loop until the phase is over, then begins the next one. */
static void finish(double secs)
{
    deadline = clock_ns() + (uint64_t)(secs * 1e9);
    do
        turn();
    while (!phase_over());
    phase++;
}

/* What is missing, or too much, when the last answers had their time. */
static void count_unanswered(void)
{
    for (int i = 0; i < opt.conns; i++) {
        uint64_t expected = opt.mode == BCAST || opt.mode == PUBLISH ? next_round : conns[i].sent;
        if (conns[i].received < expected)
            lost += expected - conns[i].received;
        else
            bad += conns[i].received - expected;
    }
}

static double share(double used, double of)
{
    return used > 0 ? used / of : 0;
}

/* What a message, or a broadcast, costs each process of the server. */
static void print_us(const struct sample *from, const struct sample *to, uint64_t count)
{
    for (int i = 0; i < opt.pid_count; i++) {
        double cpu = to->each[i].cpu - from->each[i].cpu;
        printf("%s%.3f", i ? "," : ",\"us\":[", count ? cpu * 1e6 / (double)count : 0.0);
    }
    printf("]");
}

static void report(const struct sample *before, const struct sample *from, const struct sample *to)
{
    double secs = (double)(to->at - from->at) / 1e9;
    double own = to->own_cpu - from->own_cpu, srv = to->server.cpu - from->server.cpu;
    uint64_t count = to->done - from->done;
    printf("{\"mode\":\"%s\",\"proto\":\"%s\",\"conns\":%d,\"window\":%d,\"secs\":%.2f",
           mode_names[opt.mode], opt.proto, opt.conns, opt.window, secs);
    if (opt.mode != IDLE) {
        printf(",\"count\":%llu,\"rate\":%.0f", (unsigned long long)count, (double)count / secs);
        printf(",\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f",
               hist_us(0.5), hist_us(0.99), (double)hist.max / 1e3);
    }
    printf(",\"pings\":%llu,\"bad\":%llu,\"lost\":%llu", (unsigned long long)pings,
           (unsigned long long)bad, (unsigned long long)lost);
    printf(",\"gen_cpu\":%.3f,\"gen_others\":%.3f", own / secs,
           share(to->own_core - from->own_core - own, secs));
    if (opt.pid_count) {
        printf(",\"srv_cpu\":%.3f,\"srv_others\":%.3f,\"rss_kb\":%ld", srv / secs,
               share(to->server_core - from->server_core - srv, secs), to->server.rss_kb);
        if (opt.mode == IDLE)
            printf(",\"rss_before_kb\":%ld,\"kb_per_conn\":%.2f", before->server.rss_kb,
                   (double)(to->server.rss_kb - before->server.rss_kb) / opt.conns);
        else
            print_us(from, to, opt.mode == BCAST || opt.mode == PUBLISH ? count / (uint64_t)opt.conns : count);
    }
    printf("}\n");
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    set_up();
    struct sample before = take_sample();
    finish(CONNECT_SECS);
    if (opt.verbose)
        fprintf(stderr, "load: %d connections are up\n", ready);
    finish(opt.mode == IDLE ? 1 : 0.25);            /* SETTLING */
    start_load();
    finish(opt.warmup);
    struct sample from = take_sample();
    finish(opt.duration);
    struct sample to = take_sample();
    finish(DRAIN_SECS);
    count_unanswered();
    report(&before, &from, &to);
    return 0;
}
