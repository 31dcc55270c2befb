/*
 * snapshot.h - parts of a snapshot's body, and the checks that it must pass before
 * anything of it is believed. A check returns a status; the machine is as it was.
 */
#ifndef PYEMU_SNAPSHOT_H
#define PYEMU_SNAPSHOT_H

#include "state/state.h"

/* Refuses a snapshot for what one of its fields says. */
#define BELIEVE(m, cond, ...)                                                   \
    do {                                                                       \
        if (!(cond))                                                           \
            return machine_fail((m), PYEMU_ESTATE, "snapshot: " __VA_ARGS__);   \
    } while (0)

/* snapshot_code.c: machine code guests' memory, processors and consoles. */
uint64_t snapshot_code_bytes(const struct pyemu_machine *m);
void snapshot_code_save(const struct pyemu_machine *m, uint8_t *out);
int snapshot_code_check(struct pyemu_machine *m, const uint8_t *in, uint64_t n);
void snapshot_code_load(struct pyemu_machine *m, const uint8_t *in);

/* snapshot_check.c: the flat state, laid out as the machine's own. */
int snapshot_state_check(struct pyemu_machine *m, const struct pyemu_machine *in);

/* snapshot_links.c: heaps, lists and what is counted beside them. After the former. */
int snapshot_links_check(struct pyemu_machine *m, const struct pyemu_machine *in);

#endif
