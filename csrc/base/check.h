/*
 * check.h - two checks. REQUIRE: the caller is wrong, a status goes back.
 * ASSERT: we are wrong; test builds stop, release builds poison the machine.
 */
#ifndef PYEMU_CHECK_H
#define PYEMU_CHECK_H

#include "pyemu_api.h"

#ifdef PYEMU_TEST_BUILD
#include <stdio.h>
#include <stdlib.h>
#define ASSERT(m, cond)                                                       \
    do {                                                                      \
        if (!(cond)) {                                                        \
            fprintf(stderr, "%s:%d: ASSERT %s\n", __FILE__, __LINE__, #cond); \
            abort();                                                          \
        }                                                                     \
        (void)(m);                                                            \
    } while (0)
#else
#define ASSERT(m, cond)                                     \
    do {                                                    \
        if (!(cond))                                        \
            machine_poison((m), __FILE__, __LINE__, #cond); \
    } while (0)
#endif

#define REQUIRE(m, cond, ...)                              \
    do {                                                   \
        if (!(cond))                                       \
            return machine_fail((m), PYEMU_EINVAL, __VA_ARGS__); \
    } while (0)

void machine_poison(struct pyemu_machine *m, const char *file, int line,
                    const char *what);
int machine_fail(struct pyemu_machine *m, int status, const char *format, ...);

#endif
