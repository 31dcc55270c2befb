/* fail.c - the two ways out of a check: a status with words, or a poisoned machine. */
#include <stdarg.h>
#include <stdio.h>

#include "state/state.h"

int machine_fail(struct pyemu_machine *m, int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(m->error, sizeof m->error, format, args);
    va_end(args);
    return status;
}

void machine_poison(struct pyemu_machine *m, const char *file, int line,
                    const char *what)
{
    if (m->s->poisoned == 0)
        (void)machine_fail(m, PYEMU_EBUG, "%s:%d: %s", file, line, what);
    m->s->poisoned = 1;
}
