/*
 * phases.c - the first process of the Linux guest: phases of timer, scheduler and
 * hypervisor work, each announced on the console, then power off.
 *
 * No C library, no floating point, so that it runs on a processor without FP:
 *   aarch64-linux-gnu-gcc -O2 -nostdlib -static -mgeneral-regs-only -ffreestanding
 *     -fno-stack-protector -fno-asynchronous-unwind-tables -s
 *     -Wl,--build-id=none,-z,noseparate-code,-z,max-page-size=4096
 */

typedef unsigned long word;

enum {
    SYS_ioctl = 29,
    SYS_openat = 56,
    SYS_close = 57,
    SYS_pipe2 = 59,
    SYS_read = 63,
    SYS_write = 64,
    SYS_timerfd_create = 85,
    SYS_timerfd_settime = 86,
    SYS_exit = 93,
    SYS_nanosleep = 101,
    SYS_sched_setaffinity = 122,
    SYS_sched_getaffinity = 123,
    SYS_reboot = 142,
    SYS_clone = 220,
    SYS_wait4 = 260
};

enum {
    AT_FDCWD = -100,
    TCSBRK = 0x5409,
    RNDRESEEDCRNG = 0x5207,
    CLOCK_MONOTONIC = 1,
    TFD_NONBLOCK = 04000,
    SIGCHLD = 17,
    N_STORM = 1000,
    N_SLEEPS = 100,
    N_ROUNDS = 1000,
    N_FORKS = 50,
    N_RESEEDS = 200,
    STORM_NS = 50 * 1000,
    SLEEP_NS = 1000 * 1000
};

static long call(long number, word a, word b, word c, word d)
{
    register long x8 __asm__("x8") = number;
    register word x0 __asm__("x0") = a;
    register word x1 __asm__("x1") = b;
    register word x2 __asm__("x2") = c;
    register word x3 __asm__("x3") = d;
    register word x4 __asm__("x4") = 0;

    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                     : "memory", "cc");
    return (long)x0;
}

static void say(const char *text)
{
    word n = 0;

    while (text[n] != 0)
        n++;
    call(SYS_write, 1, (word)text, n, 0);
}

/* A line, sent before what follows begins. */
static void phase(const char *name)
{
    say("init: phase ");
    say(name);
    say("\n");
    call(SYS_ioctl, 1, TCSBRK, 1, 0);
}

static void check(long result, const char *what)
{
    if (result >= 0)
        return;
    say("init: failed: ");
    say(what);
    say("\n");
}

/* Pins the caller to the nth processor it may use, counted round. */
static void pin(unsigned n)
{
    static word all[16], one[16];
    const long bytes = call(SYS_sched_getaffinity, 0, sizeof all, (word)all, 0);
    unsigned have = 0;

    check(bytes, "sched_getaffinity");
    for (unsigned i = 0; i < sizeof all * 8; i++)
        have += all[i / 64] >> (i % 64) & 1;
    n = have == 0 ? 0 : n % have;
    for (unsigned i = 0; i < sizeof all * 8; i++) {
        if ((all[i / 64] >> (i % 64) & 1) == 0 || n-- != 0)
            continue;
        one[i / 64] = 1UL << (i % 64);
        check(call(SYS_sched_setaffinity, 0, sizeof one, (word)one, 0), "affinity");
        one[i / 64] = 0;
        return;
    }
}

/* An interval timer far faster than the tick, while the processor is busy asking. */
static void timer_storm(void)
{
    const word spec[4] = {0, STORM_NS, 0, STORM_NS};
    const long fd = call(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK, 0, 0);
    word expired = 0, seen = 0;

    check(fd, "timerfd_create");
    check(call(SYS_timerfd_settime, (word)fd, 0, (word)spec, 0), "timerfd_settime");
    while (fd >= 0 && seen < N_STORM)
        if (call(SYS_read, (word)fd, (word)&expired, 8, 0) == 8)
            seen += expired;
    call(SYS_close, (word)fd, 0, 0, 0);
}

static void nanosleeps(void)
{
    const word span[2] = {0, SLEEP_NS};

    for (int i = 0; i < N_SLEEPS; i++)
        check(call(SYS_nanosleep, (word)span, 0, 0, 0), "nanosleep");
}

static void transfer(int from, int to, int first)
{
    char byte = 'x';

    for (int i = 0; i < N_ROUNDS; i++) {
        if (first && call(SYS_write, (word)to, (word)&byte, 1, 0) != 1)
            return;
        if (call(SYS_read, (word)from, (word)&byte, 1, 0) != 1)
            return;
        if (!first && call(SYS_write, (word)to, (word)&byte, 1, 0) != 1)
            return;
    }
}

/* One byte to and fro between two processes, on two processors if there are. */
static void ping_pong(void)
{
    int there[2], back[2];

    check(call(SYS_pipe2, (word)there, 0, 0, 0), "pipe2");
    check(call(SYS_pipe2, (word)back, 0, 0, 0), "pipe2");
    const long child = call(SYS_clone, SIGCHLD, 0, 0, 0);

    check(child, "clone");
    if (child == 0) {
        pin(1);
        transfer(there[0], back[1], 0);
        call(SYS_exit, 0, 0, 0, 0);
    }
    pin(0);
    transfer(back[0], there[1], 1);
    check(call(SYS_wait4, (word)child, 0, 0, 0), "wait4");
}

static void fork_loop(void)
{
    for (int i = 0; i < N_FORKS; i++) {
        const long child = call(SYS_clone, SIGCHLD, 0, 0, 0);

        check(child, "clone");
        if (child == 0)
            call(SYS_exit, 0, 0, 0, 0);
        check(call(SYS_wait4, (word)child, 0, 0, 0), "wait4");
    }
}

/* The kernel asks the hypervisor's generator (SMCCC TRNG) at every reseeding. */
static void hypercalls(void)
{
    const long fd = call(SYS_openat, (word)AT_FDCWD, (word)"/dev/urandom", 2, 0);

    check(fd, "/dev/urandom");
    for (int i = 0; i < N_RESEEDS; i++)
        check(call(SYS_ioctl, (word)fd, RNDRESEEDCRNG, 0, 0), "RNDRESEEDCRNG");
    call(SYS_close, (word)fd, 0, 0, 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} PHASES[] = {
    {"timer-storm", timer_storm}, {"nanosleep", nanosleeps}, {"ping-pong", ping_pong},
    {"fork-loop", fork_loop},     {"hypercalls", hypercalls},
};

static int same(const char *a, const char *b)
{
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* All phases, or those that the kernel's command line names behind "--". */
__attribute__((noreturn, used)) static void run(const word *stack)
{
    const word n_args = stack[0];
    const char *const *args = (const char *const *)(stack + 1);

    for (unsigned i = 0; i < sizeof PHASES / sizeof PHASES[0]; i++) {
        int wanted = n_args < 2;

        for (word a = 1; a < n_args; a++)
            wanted |= same(args[a], PHASES[i].name);
        if (!wanted)
            continue;
        phase(PHASES[i].name);
        PHASES[i].run();
    }
    phase("power-off");
    call(SYS_reboot, 0xfee1dead, 672274793, 0x4321fedc, 0);
    for (;;)
        call(SYS_exit, 1, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov x29, xzr\n mov x30, xzr\n mov x0, sp\n b run\n");
