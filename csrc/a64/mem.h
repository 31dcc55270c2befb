/* Guest-physical memory: RAM lookup, presence, decoded pages, the write side of
 * coherence. */
#ifndef A64_MEM_H
#define A64_MEM_H

#include "state.h"

/* The page descriptor of a RAM address and its bytes (start of page), or NULL. */
struct a64_page *a64_page_of(const struct a64_mem *mem, uint64_t pa, uint8_t **host);

/* The decoded page of a present RAM page, empty if new. May evict another page's.
 * cpu: the running CPU, whose caches are corrected at once. */
struct a64_code *a64_code_get(struct a64_cpu *cpu, struct a64_page *page, uint64_t pa,
                              uint8_t *host);

/* Must follow every store that did not go through a write tag: drops decoded code under
 * it and clears other PEs' reservations (global monitor). cpu NULL = a host store.
 * Returns: true if decoded code was dropped, so the executor must look its page up
 * again. */
bool a64_note_store(struct a64_cpu *cpu, struct a64_mem *mem, struct a64_page *page,
                    uint64_t pa, uint32_t size);

/* Called at the end of a run: an open reservation must be visible to the other PEs'
 * stores. */
void a64_watch_reservation(struct a64_cpu *cpu);

/* Soft caches of one CPU. All are safe at any time. */
void a64_soft_flush(struct a64_cpu *cpu); /* data and fetch, all modes */
void a64_drop_write_tags(struct a64_cpu *cpu);
void a64_soft_flush_page(struct a64_cpu *cpu, uint64_t va, uint32_t shift);
/* Brings a CPU up to date with what other CPUs and the host did since it last ran. */
void a64_soft_catch_up(struct a64_cpu *cpu);

static inline bool a64_trap_bit(const uint64_t *map, uint32_t enc)
{ return (map[(enc >> 6) & 1023] >> (enc & 63)) & 1; }

#endif
