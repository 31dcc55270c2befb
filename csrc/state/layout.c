/* layout.c - arrays one behind the other, each aligned to a cache line. */
#include "state/layout.h"

#include <stdlib.h>
#include <string.h>

enum { CACHE_LINE = 64 };

_Static_assert(sizeof(struct pyemu_event) == 24, "trace record layout");
_Static_assert(sizeof(struct pyemu_op) == 16, "op layout");
_Static_assert(sizeof(struct pyemu_step) == 4, "step layout");
_Static_assert(sizeof(struct list_register) == 8, "list register layout");
_Static_assert(sizeof(struct vgic_irq) == 20, "vgic_irq layout");
_Static_assert(sizeof(struct vcpu) <= 1600, "at most 2 KiB a vCPU with its nodes");

static uint64_t aligned(uint64_t n)
{
    return (n + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

/* Messages under way at once: bounded by what vCPUs can send in one latency. */
static uint32_t message_capacity(const struct pyemu_config *cfg)
{
    return 2 * cfg->n_vcpus + 4096;
}

int layout_new(struct pyemu_machine *m, const struct pyemu_config *cfg)
{
    const uint64_t n_msgs = message_capacity(cfg);
    const uint64_t n_threads_ = (uint64_t)cfg->n_vcpus + cfg->n_tasks;
    const uint64_t sizes[] = {
        sizeof(struct machine_state),
        sizeof(struct pcpu) * cfg->n_pcpus,
        sizeof(struct vcpu) * cfg->n_vcpus,
        sizeof(struct vm) * cfg->n_vms,
        sizeof(struct thread) * n_threads_,
        sizeof(struct heap_node) * (2ULL * cfg->n_vcpus + cfg->n_tasks),
        sizeof(struct heap_node) * n_threads_,
        sizeof(struct heap_node) * n_msgs,
        sizeof(struct message) * n_msgs,
        sizeof(struct vgic_irq) * PYEMU_N_SPIS * cfg->n_vms,
    };
    uint64_t total = 0;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        total += aligned(sizes[i]);
    uint8_t *block = aligned_alloc(CACHE_LINE, total);

    if (block == NULL)
        return machine_fail(m, PYEMU_ENOMEM, "no memory for %llu bytes of state",
                            (unsigned long long)total);
    memset(block, 0, total);

    uint8_t *at[sizeof sizes / sizeof sizes[0]];

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        at[i] = block;
        block += aligned(sizes[i]);
    }
    m->s = (void *)at[0];
    m->pcpus = (void *)at[1];
    m->vcpus = (void *)at[2];
    m->vms = (void *)at[3];
    m->threads = (void *)at[4];
    m->timer_nodes = (void *)at[5];
    m->rq_nodes = (void *)at[6];
    m->msg_nodes = (void *)at[7];
    m->msgs = (void *)at[8];
    m->spis = (void *)at[9];
    m->bytes = total;
    m->n_msgs = (uint32_t)n_msgs;
    return PYEMU_OK;
}
