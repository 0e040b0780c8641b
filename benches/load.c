/* The load: keep-alive connections on one core that send what a plan says, follow the answers, and measure.
 *
 * C with epoll, and nothing but the C library: a bare Debian has `cc` after one `apt-get install gcc libc6-dev`, it is compiled in
 * a second, and one core of it keeps several of our servers busy. wrk (also one apt-get away) is as fast until its Lua must read
 * answers, which is what flows are made of; and it has neither open loops nor the tables that rotated tokens go back to.
 *
 *   load PORT PLAN [-c connections] [-s seconds] [-w warm-up seconds] [-r walks a second] [-n walks] [-o table:file]... [-e]
 *   load respond        answers everything with 200, on a port that it prints: what the load is measured with
 *
 * A plan (benches/plan.py writes it) has tables of rows and flows of steps. A walk takes a row, sends its steps one after the
 * other on one connection, fills holes with columns of the row and with what it captured from answers, and puts the row back, or
 * into another table. With -r walks begin evenly, and latency counts from when a walk should have begun.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { VALUES = 16, LONGEST = 8192, ANSWER = 1 << 18, CONNECTIONS = 4096, SHARES = 128, BUCKETS = SHARES * 26 };
static const int64_t PATIENCE = 30000000000ll; /* for the last answers */
enum { HOLE = 1, NUMBER = '#', ONCE_AGAIN = 50 };

typedef struct { const char *text; int length; } Text;
typedef struct { Text *value; } Row;
typedef struct { int columns, first, count, room; Row *rows; } Table; /* a ring */
typedef struct { int value; char kind; Text name; } Capture;
typedef struct { uint64_t count, most, at[BUCKETS]; } Times;
typedef struct { Text head, body; int status, captures, plain; Capture capture[VALUES]; uint64_t statuses[1000]; Times times; } Step;
typedef struct { double weight; int table, once, into, put, puts[VALUES], steps; Step *step; Times times; uint64_t dry; } Flow;
typedef struct {
    int socket, flow, step, idle, filled, length, sent;
    Row row;
    int64_t began, asked;
    char *in, *out;
    Text value[VALUES];
    char *room[VALUES];
} Wire;

static Table tables[32];
static Flow flows[32];
static Wire wires[CONNECTIONS];
static int table_count, flow_count, connections = 16, epoll, port, going = 1;
static int idle[CONNECTIONS], idle_count, every;
static double seconds = 1, warm, rate, weights;
static uint64_t walks, wanted = UINT64_MAX, wrong, errors, reopened, refused, late, numbers, seed = 88172645463325252ull;
static int64_t began, measured, next_walk;
static double used;
static Times all, second;
static char strange[1024];

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static void fail(const char *why) {
    fprintf(stderr, "load: %s\n", why);
    exit(1);
}

/* ── Times: microseconds in buckets less than one hundredth apart ──────────────────────────────────────────────────── */

static int bucket(uint64_t micro) {
    if (micro < SHARES) return (int)micro;
    int power = 63 - __builtin_clzll(micro) - 7;
    int found = SHARES * power + (int)(micro >> power);
    return found < BUCKETS ? found : BUCKETS - 1;
}

static double middle(int found) {
    if (found < 2 * SHARES) return found;
    int power = found / SHARES - 1;
    return (double)((uint64_t)(found - SHARES * power) << power);
}

static void note(Times *times, int64_t nano) {
    uint64_t micro = nano > 0 ? (uint64_t)nano / 1000 : 0;
    times->count++;
    times->at[bucket(micro)]++;
    if (micro > times->most) times->most = micro;
}

static double quantile(const Times *times, double share) {
    uint64_t due = (uint64_t)(share * (double)times->count), seen = 0;
    for (int i = 0; i < BUCKETS; i++)
        if ((seen += times->at[i]) > due) return middle(i) / 1000;
    return (double)times->most / 1000;
}

/* ── Tables ────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static Text keep(const char *text, int length) {
    char *made = malloc((size_t)length + 1);
    memcpy(made, text, (size_t)length);
    made[length] = 0;
    return (Text){made, length};
}

static void put(Table *table, Row row) {
    if (table->count == table->room) {
        int room = table->room ? 2 * table->room : 64;
        Row *rows = malloc((size_t)room * sizeof *rows);
        for (int i = 0; i < table->count; i++) rows[i] = table->rows[(table->first + i) % table->room];
        free(table->rows);
        table->rows = rows, table->first = 0, table->room = room;
    }
    table->rows[(table->first + table->count++) % table->room] = row;
}

static Row take(Table *table) {
    Row row = table->rows[table->first];
    table->first = (table->first + 1) % table->room;
    table->count--;
    return row;
}

static void forget(Row *row, int columns) {
    if (!row->value) return;
    for (int i = 0; i < columns; i++) free((char *)row->value[i].text);
    free(row->value);
    row->value = NULL;
}

/* ── The plan ──────────────────────────────────────────────────────────────────────────────────────────────────────── */

static char *line(FILE *file) {
    static char *text;
    static size_t room;
    ssize_t length = getline(&text, &room, file);
    if (length < 0) return NULL;
    if (length && text[length - 1] == '\n') text[length - 1] = 0;
    return text;
}

static Text bytes(FILE *file, int length) {
    char *text = malloc((size_t)length + 1);
    if (fread(text, 1, (size_t)length, file) != (size_t)length) fail("the plan ends too early");
    text[length] = 0;
    return (Text){text, length};
}

static void read_table(FILE *file, const char *said) {
    Table *table = &tables[table_count++];
    int count = 0;
    if (sscanf(said, "table %d %d", &table->columns, &count) != 2 || table->columns > VALUES) fail("bad table");
    for (int i = 0; i < count; i++) {
        Row row = {malloc((size_t)table->columns * sizeof(Text))};
        char *rest = line(file);
        for (int column = 0; column < table->columns; column++) {
            char *one = strsep(&rest, "\t");
            if (!one) fail("a row is too short");
            row.value[column] = keep(one, (int)strlen(one));
        }
        put(table, row);
    }
}

static void read_step(FILE *file, Step *step) {
    int head, body;
    if (sscanf(line(file), "step %d %d %d %d", &step->status, &step->captures, &head, &body) != 4) fail("bad step");
    for (int i = 0; i < step->captures; i++) {
        char name[200];
        if (sscanf(line(file), "capture %d %c %199s", &step->capture[i].value, &step->capture[i].kind, name) != 3) fail("bad capture");
        step->capture[i].name = keep(name, (int)strlen(name));
    }
    step->head = bytes(file, head);
    step->body = bytes(file, body);
    if (fgetc(file) != '\n') fail("a step does not end where it says");
}

static void read_flow(FILE *file, const char *said) {
    Flow *flow = &flows[flow_count++];
    int at = 0, more;
    if (sscanf(said, "flow %lf %d %d %d %d %d%n", &flow->weight, &flow->table, &flow->once, &flow->into, &flow->steps, &flow->put, &at) != 6)
        fail("bad flow");
    for (int i = 0; i < flow->put; i++, at += more)
        if (sscanf(said + at, "%d%n", &flow->puts[i], &more) != 1) fail("bad flow");
    flow->step = calloc((size_t)flow->steps, sizeof(Step));
    weights += flow->weight;
    for (int i = 0; i < flow->steps; i++) read_step(file, &flow->step[i]);
}

static void read_plan(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) fail("no plan");
    for (char *said; (said = line(file));) {
        if (!strncmp(said, "table ", 6)) read_table(file, said);
        else if (!strncmp(said, "flow ", 5)) read_flow(file, said);
        else fail("the plan has a line of no kind");
    }
    fclose(file);
}

/* ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void add(Wire *wire, const char *text, int length) {
    if (wire->length + length > ANSWER) fail("a request is too long");
    memcpy(wire->out + wire->length, text, (size_t)length);
    wire->length += length;
}

/* A template with its holes filled. */
static void fill(Wire *wire, Text text) {
    const char *at = text.text, *end = at + text.length, *hole;
    char number[24];
    while ((hole = memchr(at, HOLE, (size_t)(end - at)))) {
        add(wire, at, (int)(hole - at));
        if (hole[1] == NUMBER) add(wire, number, sprintf(number, "%llu", (unsigned long long)++numbers));
        else add(wire, wire->value[hole[1] - 'A'].text, wire->value[hole[1] - 'A'].length);
        at = hole + 2;
    }
    add(wire, at, (int)(end - at));
}

/* The body is filled first, behind room for the head, since the head says how long it is. */
static void write_request(Wire *wire, const Step *step) {
    static char body[ANSWER];
    char said[48];
    wire->length = 0;
    fill(wire, step->body);
    int length = wire->length;
    memcpy(body, wire->out, (size_t)length);
    wire->length = 0;
    fill(wire, step->head);
    if (length) add(wire, said, sprintf(said, "Content-Length: %d\r\n", length));
    add(wire, "\r\n", 2);
    add(wire, body, length);
}

static void go_on_sending(Wire *wire) {
    while (wire->sent < wire->length) {
        ssize_t gone = send(wire->socket, wire->out + wire->sent, (size_t)(wire->length - wire->sent), MSG_NOSIGNAL);
        if (gone < 0) return; /* what is wrong shows when the answer is read */
        wire->sent += (int)gone;
    }
}

static void meet(Wire *wire);

/* A server may close a connection that rests; whoever finds that before sending anything has lost nothing (RFC 9112 §9.3.1). */
static void reopen(Wire *wire) {
    close(wire->socket);
    meet(wire);
    reopened++;
}

/* Whether it was closed and we had no time to hear of it: we may have stood still for longer than the server. */
static int closed(const Wire *wire) {
    char one;
    ssize_t got = recv(wire->socket, &one, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static void ask(Wire *wire) {
    write_request(wire, &flows[wire->flow].step[wire->step]);
    wire->sent = wire->filled = 0;
    wire->asked = wire->step || !rate ? now() : wire->began;
    go_on_sending(wire);
}

/* ── Walks ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static double drawn(void) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (double)(seed >> 11) / 9007199254740992.0;
}

/* One whose table has a row left, by weight; -1: none has. */
static int choose(void) {
    double at = drawn() * weights;
    int found = -1;
    for (int i = 0; i < flow_count && found < 0; i++)
        if ((at -= flows[i].weight) < 0) found = i;
    for (int i = 0; i < flow_count; i++) {
        int flow = (found + i) % flow_count;
        if (flows[flow].table < 0 || tables[flows[flow].table].count) return flow;
        flows[flow].dry++;
    }
    return -1;
}

static void rest(Wire *wire) {
    wire->idle = 1;
    idle[idle_count++] = (int)(wire - wires);
}

static void set(Wire *wire, int value, Text text) {
    int length = text.length < LONGEST ? text.length : LONGEST;
    memcpy(wire->room[value], text.text, (size_t)length);
    wire->value[value] = (Text){wire->room[value], length};
}

static int begin(Wire *wire, int64_t due) {
    int chosen = going && walks < wanted ? choose() : -1;
    if (chosen < 0) return 0;
    walks++;
    Flow *flow = &flows[chosen];
    if (wire->idle && closed(wire)) reopen(wire);
    wire->flow = chosen, wire->step = 0, wire->idle = 0, wire->began = due;
    if (flow->table >= 0) {
        Table *table = &tables[flow->table];
        wire->row = take(table);
        for (int i = 0; i < table->columns; i++) set(wire, i, wire->row.value[i]);
    }
    ask(wire);
    return 1;
}

/* Closed loop: the next one at once. Open loop: the next one that is due, late or not. */
static void next(Wire *wire) {
    if (!rate) {
        if (!begin(wire, now())) rest(wire);
        return;
    }
    int64_t time = now();
    if (next_walk > time || !begin(wire, next_walk)) {
        rest(wire);
        return;
    }
    if (time - next_walk > 1000000) late++;
    next_walk += (int64_t)(1e9 / rate);
}

static void wake(void) {
    while (idle_count && going && (!rate || next_walk <= now())) {
        Wire *wire = &wires[idle[--idle_count]];
        int before = idle_count;
        next(wire);
        if (idle_count > before) return;
    }
}

static void over(Wire *wire, int good) {
    Flow *flow = &flows[wire->flow];
    int columns = flow->table >= 0 ? tables[flow->table].columns : 0;
    if (good) {
        note(&flow->times, now() - wire->began);
        if (flow->into >= 0) {
            Row row = {malloc((size_t)flow->put * sizeof(Text))};
            for (int i = 0; i < flow->put; i++) row.value[i] = keep(wire->value[flow->puts[i]].text, wire->value[flow->puts[i]].length);
            put(&tables[flow->into], row);
        }
    }
    if (good && columns && !flow->once) {
        for (int i = 0; i < columns; i++) {
            Text *value = &wire->row.value[i], said = wire->value[i];
            if (value->length == said.length && !memcmp(value->text, said.text, (size_t)said.length)) continue;
            free((char *)value->text);
            *value = keep(said.text, said.length);
        }
        put(&tables[flow->table], wire->row);
        wire->row.value = NULL;
    }
    forget(&wire->row, columns);
    next(wire);
}

/* ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

static const char *header(const char *head, const char *end, const char *name) {
    size_t length = strlen(name);
    for (const char *at = head; (at = memchr(at, '\n', (size_t)(end - at))) && ++at + length < end;)
        if (!strncasecmp(at, name, length)) return at + length;
    return NULL;
}

/* Bytes of the whole answer, 0 while some are missing. */
static int whole(const char *in, int filled, int status, const char **body) {
    const char *end = memmem(in, (size_t)filled, "\r\n\r\n", 4), *said;
    if (!end) return 0;
    *body = end + 4;
    int head = (int)(end + 4 - in);
    if (status == 204 || status == 304 || status < 200) return head;
    if ((said = header(in, end + 2, "content-length:"))) {
        int length = head + atoi(said);
        return filled >= length ? length : 0;
    }
    if (header(in, end + 2, "transfer-encoding:")) return !memcmp(in + filled - 5, "0\r\n\r\n", 5) ? filled : 0;
    return head;
}

static int capture_json(Wire *wire, const Capture *capture, const char *body, const char *end) {
    char name[210];
    int length = sprintf(name, "\"%s\"", capture->name.text);
    const char *at = memmem(body, (size_t)(end - body), name, (size_t)length);
    if (!at) return 0;
    for (at += length; at < end && (*at == ' ' || *at == ':'); at++) {}
    if (at >= end || *at++ != '"') return 0;
    const char *stop = memchr(at, '"', (size_t)(end - at));
    if (!stop) return 0;
    if (capture->kind == 'p' && *at != '/') /* the path of a URL */
        for (int slashes = 0; at < stop && !(*at == '/' && ++slashes == 3); at++) {}
    set(wire, capture->value, (Text){at, (int)(stop - at)});
    return 1;
}

static int capture_query(Wire *wire, const Capture *capture, const char *head, const char *end) {
    const char *at = header(head, end, "location:"), *stop;
    if (!at) return 0;
    for (stop = at; stop < end && *stop != '\r'; stop++) {}
    for (; at < stop; at++) {
        if ((*at != '?' && *at != '&') || strncmp(at + 1, capture->name.text, (size_t)capture->name.length) || at[capture->name.length + 1] != '=')
            continue;
        const char *from = at + capture->name.length + 2, *to = from;
        while (to < stop && *to != '&') to++;
        set(wire, capture->value, (Text){from, (int)(to - from)});
        return 1;
    }
    return 0;
}

static int capture_all(Wire *wire, const Step *step, const char *body, const char *end) {
    for (int i = 0; i < step->captures; i++) {
        const Capture *one = &step->capture[i];
        if (!(one->kind == 'q' ? capture_query(wire, one, wire->in, body) : capture_json(wire, one, body, end))) return 0;
    }
    return 1;
}

static void answered(Wire *wire, int status, const char *body, int length) {
    Flow *flow = &flows[wire->flow];
    Step *step = &flow->step[wire->step];
    int64_t took = now() - wire->asked;
    note(&step->times, took);
    note(&all, took);
    if (every) note(&second, took);
    step->statuses[status < 1000 ? status : 0]++;
    int good = status == step->status && capture_all(wire, step, body, wire->in + length);
    if (!good) {
        wrong++;
        if (status >= 500) refused++;
        if (!*strange) snprintf(strange, sizeof strange, "%.*s", length < 1000 ? length : 1000, wire->in);
    }
    if (good && ++wire->step < flow->steps) ask(wire);
    else over(wire, good);
}

/* ── Connections ───────────────────────────────────────────────────────────────────────────────────────────────────── */

static int try_connect(void) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int made = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    if (made >= 0 && connect(made, (struct sockaddr *)&there, sizeof there) == 0) {
        setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        return made;
    }
    close(made);
    return -1;
}

static void meet(Wire *wire) {
    for (int tries = 0; (wire->socket = try_connect()) < 0; tries++) {
        if (tries == ONCE_AGAIN) fail("nobody listens");
        usleep(20000);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = wire};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, wire->socket, &event) < 0) fail("epoll_ctl");
}

/* A server may close a connection between two answers; it may not close one that waits for an answer. */
static void lost(Wire *wire) {
    if (wire->idle) {
        reopen(wire);
        return;
    }
    close(wire->socket);
    meet(wire);
    errors++;
    over(wire, 0);
}

static void closes(Wire *wire, const char *body) {
    const char *said = header(wire->in, body, "connection:");
    if (!said || strncasecmp(said + strspn(said, " "), "close", 5)) return;
    close(wire->socket);
    meet(wire);
}

static void hear(Wire *wire) {
    ssize_t got = recv(wire->socket, wire->in + wire->filled, (size_t)(ANSWER - wire->filled), MSG_DONTWAIT);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) lost(wire);
        return;
    }
    if (wire->idle) return;
    wire->filled += (int)got;
    if (wire->sent < wire->length) go_on_sending(wire);
    if (wire->filled < 13) return;
    const char *body;
    int status = atoi(wire->in + 9), length = whole(wire->in, wire->filled, status, &body);
    if (!length) {
        if (wire->filled == ANSWER) fail("an answer is too long");
        return;
    }
    closes(wire, body);
    answered(wire, status, body, length);
}

static void open_all(void) {
    for (int i = 0; i < connections; i++) {
        Wire *wire = &wires[i];
        wire->in = malloc(ANSWER), wire->out = malloc(ANSWER);
        for (int value = 0; value < VALUES; value++) wire->room[value] = malloc(LONGEST), wire->value[value] = (Text){"", 0};
        meet(wire);
        rest(wire);
    }
}

/* ── Running, and what came of it ──────────────────────────────────────────────────────────────────────────────────── */

static double processor(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* What happened until now was to warm up. */
static void begin_to_measure(void) {
    memset(&all, 0, sizeof all);
    memset(&second, 0, sizeof second);
    for (int i = 0; i < flow_count; i++) {
        memset(&flows[i].times, 0, sizeof(Times));
        for (int step = 0; step < flows[i].steps; step++) {
            memset(&flows[i].step[step].times, 0, sizeof(Times));
            memset(flows[i].step[step].statuses, 0, sizeof flows[i].step[step].statuses);
        }
    }
    measured = now(), used = processor();
}

static void say_second(int64_t time) {
    printf("{\"at\":%.1f,\"done\":%llu,\"wrong\":%llu,\"errors\":%llu,\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"most\":%.3f}\n",
           (double)(time - measured) / 1e9, (unsigned long long)second.count, (unsigned long long)wrong, (unsigned long long)errors,
           quantile(&second, .5), quantile(&second, .99), quantile(&second, .999), (double)second.most / 1000);
    fflush(stdout);
    memset(&second, 0, sizeof second);
}

/* Nanoseconds that epoll may sleep: until the next walk is due, and never past a tenth of a second. */
static struct timespec patience(void) {
    int64_t left = rate && idle_count && going ? next_walk - now() : 100000000;
    if (left < 0) left = 0;
    if (left > 100000000) left = 100000000;
    return (struct timespec){0, left};
}

static void run(void) {
    struct epoll_event events[256];
    began = measured = next_walk = now();
    int64_t until = began + (int64_t)((warm + seconds) * 1e9), warmed = warm > 0 ? began + (int64_t)(warm * 1e9) : 0, tick = warm > 0 ? 0 : began + 1000000000;
    open_all();
    while (1) {
        wake();
        int busy = connections - idle_count;
        if (!busy && (!going || !rate || walks >= wanted)) return;
        struct timespec wait = patience();
        int found = (int)syscall(SYS_epoll_pwait2, epoll, events, 256, &wait, NULL, 0);
        for (int i = 0; i < found; i++) hear(events[i].data.ptr);
        int64_t time = now();
        if (warmed && time >= warmed) warmed = 0, begin_to_measure(), tick = measured + 1000000000;
        if (every && tick && time >= tick) say_second(time), tick += 1000000000;
        if (time >= until) going = 0;
        if (time >= until + PATIENCE) {
            errors += (uint64_t)busy;
            return;
        }
    }
}

static void say_times(const char *name, const Times *times) {
    printf("\"%s\":{\"done\":%llu,\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"most\":%.3f}", name, (unsigned long long)times->count,
           quantile(times, .5), quantile(times, .99), quantile(times, .999), (double)times->most / 1000);
}

static void say_step(const Step *step) {
    printf("{");
    say_times("times", &step->times);
    printf(",\"statuses\":{");
    for (int status = 0, comma = 0; status < 1000; status++)
        if (step->statuses[status]) printf("%s\"%d\":%llu", comma++ ? "," : "", status, (unsigned long long)step->statuses[status]);
    printf("}}");
}

static void say_text(const char *text) {
    printf("\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') printf("\\%c", *text);
        else if ((unsigned char)*text < 32 || (unsigned char)*text > 126) printf("\\u%04x", (unsigned char)*text);
        else putchar(*text);
    }
    printf("\"");
}

static void say_all(double took, double worked) {
    printf("{\"seconds\":%.6f,\"processor\":%.6f,\"wrong\":%llu,\"errors\":%llu,\"reopened\":%llu,\"refused\":%llu,", took, worked,
           (unsigned long long)wrong, (unsigned long long)errors, (unsigned long long)reopened, (unsigned long long)refused);
    printf("\"late\":%llu,\"begun\":%llu,", (unsigned long long)late, (unsigned long long)walks);
    say_times("all", &all);
    printf(",\"flows\":[");
    for (int i = 0; i < flow_count; i++) {
        printf("%s{", i ? "," : "");
        say_times("walks", &flows[i].times);
        printf(",\"dry\":%llu,\"steps\":[", (unsigned long long)flows[i].dry);
        for (int step = 0; step < flows[i].steps; step++) {
            if (step) printf(",");
            say_step(&flows[i].step[step]);
        }
        printf("]}");
    }
    printf("],\"strange\":");
    say_text(strange);
    printf("}\n");
}

static void write_table(const char *said) {
    Table *table = &tables[atoi(said)];
    FILE *file = fopen(strchr(said, ':') + 1, "w");
    if (!file) fail("cannot write a table");
    for (int i = 0; i < table->count; i++) {
        Row row = table->rows[(table->first + i) % table->room];
        for (int column = 0; column < table->columns; column++) fprintf(file, "%s%s", column ? "\t" : "", row.value[column].text);
        fputc('\n', file);
    }
    fclose(file);
}

/* ── Something to measure the load with ────────────────────────────────────────────────────────────────────────────── */

static void reply(int from) {
    static const char said[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    static char in[65536];
    ssize_t got = recv(from, in, sizeof in, MSG_DONTWAIT);
    if (got <= 0) close(from);
    else if (send(from, said, sizeof said - 1, MSG_NOSIGNAL) < 0) close(from);
}

static void respond(void) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    int door = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = door}, events[256];
    if (bind(door, (struct sockaddr *)&here, sizeof here) || listen(door, 1024) || getsockname(door, (struct sockaddr *)&here, &size)) fail("listen");
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    epoll_ctl(epoll, EPOLL_CTL_ADD, door, &event);
    while (1) {
        int found = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < found; i++) {
            if (events[i].data.fd != door) {
                reply(events[i].data.fd);
                continue;
            }
            event.data.fd = accept(door, NULL, NULL);
            setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
        }
    }
}

int main(int count, char **words) {
    const char *written[32];
    int writes = 0;
    signal(SIGPIPE, SIG_IGN);
    epoll = epoll_create1(0);
    if (count == 2 && !strcmp(words[1], "respond")) respond();
    if (count < 3) fail("load PORT PLAN ...");
    port = atoi(words[1]);
    read_plan(words[2]);
    optind = 3;
    for (int option; (option = getopt(count, words, "c:s:w:r:n:o:e")) != -1;) {
        if (option == 'c') connections = atoi(optarg);
        else if (option == 's') seconds = atof(optarg);
        else if (option == 'w') warm = atof(optarg);
        else if (option == 'r') rate = atof(optarg);
        else if (option == 'n') wanted = strtoull(optarg, NULL, 10);
        else if (option == 'o' && writes < 32) written[writes++] = optarg;
        else if (option == 'e') every = 1;
        else fail("an option of no kind");
    }
    if (connections < 1 || connections > CONNECTIONS) fail("so many connections there are not");
    run();
    say_all((double)(now() - measured) / 1e9, processor() - used);
    for (int i = 0; i < writes; i++) write_table(written[i]);
    return 0;
}
