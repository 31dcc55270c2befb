/*
 * snapshot.c - the flat state out and in. A header names version, geometry and
 * policy; a checksum guards the body; a foreign or damaged one is refused.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "policy/paths.h"
#include "snapshot.h"

struct snapshot_header {
    uint64_t magic;
    uint64_t version;
    uint64_t bytes;
    uint64_t policy;   /* hash of the compiled table */
    uint64_t checksum; /* of the body */
};

static const uint64_t SNAPSHOT_MAGIC = UINT64_C(0x70616e73756d6579); /* "yemusnap" */

static uint64_t hash_bytes(const void *data, uint64_t n)
{
    const uint8_t *b = data;
    uint64_t h = n;

    for (uint64_t i = 0; i + 8 <= n; i += 8) {
        uint64_t word = 0;

        memcpy(&word, b + i, sizeof word);
        h = rng_mix(h ^ word);
    }
    return h;
}

static uint64_t policy_hash(const struct pyemu_machine *m)
{
    uint64_t h = hash_bytes(m->policy.steps, sizeof m->policy.steps);

    h ^= hash_bytes(m->policy.guards, sizeof m->policy.guards);
    h = rng_mix(h ^ m->policy.switches);
    return h ^ hash_bytes(m->cost, sizeof m->cost / 8 * 8);
}

uint64_t pyemu_snapshot_bytes(const struct pyemu_machine *m)
{
    return sizeof(struct snapshot_header) + m->bytes + snapshot_code_bytes(m);
}

int pyemu_snapshot_save(struct pyemu_machine *m, uint8_t *out, uint64_t n)
{
    const uint64_t bytes = pyemu_snapshot_bytes(m);
    uint8_t *body = out + sizeof(struct snapshot_header);

    REQUIRE(m, n == bytes, "a snapshot needs %llu bytes, not %llu",
            (unsigned long long)bytes, (unsigned long long)n);
    paths_fold(m);
    memcpy(body, m->s, m->bytes);
    snapshot_code_save(m, body + m->bytes);
    const struct snapshot_header h = {
        .magic = SNAPSHOT_MAGIC, .version = PYEMU_API_VERSION, .bytes = m->bytes,
        .policy = policy_hash(m), .checksum = hash_bytes(body, n - sizeof h)};

    memcpy(out, &h, sizeof h);
    return PYEMU_OK;
}

/* Format, version, size, policy, checksum. */
static int check_header(struct pyemu_machine *m, const uint8_t *in, uint64_t n)
{
    struct snapshot_header h;

    if (n < sizeof h)
        return machine_fail(m, PYEMU_ESTATE, "snapshot is truncated");
    memcpy(&h, in, sizeof h);
    if (h.magic != SNAPSHOT_MAGIC)
        return machine_fail(m, PYEMU_ESTATE, "not a pyemu snapshot");
    if (h.version != PYEMU_API_VERSION)
        return machine_fail(m, PYEMU_ESTATE, "snapshot of version %llu, this is %u",
                            (unsigned long long)h.version, PYEMU_API_VERSION);
    if (h.bytes != m->bytes || n < sizeof h + h.bytes)
        return machine_fail(m, PYEMU_ESTATE, "snapshot of a machine of another size");
    if (h.policy != policy_hash(m))
        return machine_fail(m, PYEMU_ESTATE, "snapshot of another policy or profile");
    if (hash_bytes(in + sizeof h, n - sizeof h) != h.checksum)
        return machine_fail(m, PYEMU_ESTATE, "snapshot is damaged (checksum)");
    return PYEMU_OK;
}

static int check_description(struct pyemu_machine *m, const uint8_t *state)
{
    struct pyemu_config cfg;

    memcpy(&cfg, state + offsetof(struct machine_state, cfg), sizeof cfg);
    cfg.line_assert_cyc = m->s->cfg.line_assert_cyc; /* a fault plan changes it */
    if (memcmp(&cfg, &m->s->cfg, sizeof cfg) != 0)
        return machine_fail(m, PYEMU_ESTATE, "snapshot of another machine description");
    return PYEMU_OK;
}

/* The machine's arrays in another copy of its block. */
static struct pyemu_machine view_of(const struct pyemu_machine *m, uint8_t *block)
{
    const uint8_t *own = (const uint8_t *)m->s;
    struct pyemu_machine in = *m;

    in.s = (void *)block;
    in.pcpus = (void *)(block + ((const uint8_t *)m->pcpus - own));
    in.vcpus = (void *)(block + ((const uint8_t *)m->vcpus - own));
    in.vms = (void *)(block + ((const uint8_t *)m->vms - own));
    in.threads = (void *)(block + ((const uint8_t *)m->threads - own));
    in.timer_nodes = (void *)(block + ((const uint8_t *)m->timer_nodes - own));
    in.rq_nodes = (void *)(block + ((const uint8_t *)m->rq_nodes - own));
    in.msg_nodes = (void *)(block + ((const uint8_t *)m->msg_nodes - own));
    in.msgs = (void *)(block + ((const uint8_t *)m->msgs - own));
    in.spis = (void *)(block + ((const uint8_t *)m->spis - own));
    return in;
}

/* Every field that a run relies on, in a copy that is aligned as they are. */
static int check_state(struct pyemu_machine *m, const uint8_t *state)
{
    uint8_t *block = malloc(m->bytes);

    if (block == NULL)
        return machine_fail(m, PYEMU_ENOMEM, "no memory for a snapshot's %llu bytes",
                            (unsigned long long)m->bytes);
    memcpy(block, state, m->bytes);
    const struct pyemu_machine in = view_of(m, block);
    int status = snapshot_state_check(m, &in);

    if (status == PYEMU_OK)
        status = snapshot_links_check(m, &in);
    free(block);
    return status;
}

int pyemu_snapshot_load(struct pyemu_machine *m, const uint8_t *in, uint64_t n)
{
    const uint8_t *state = in + sizeof(struct snapshot_header);
    int status = check_header(m, in, n);

    if (status == PYEMU_OK)
        status = check_description(m, state);
    if (status == PYEMU_OK)
        status = check_state(m, state);
    if (status == PYEMU_OK)
        status = snapshot_code_check(m, state + m->bytes,
                                     n - sizeof(struct snapshot_header) - m->bytes);
    if (status != PYEMU_OK)
        return status;
    paths_fold(m);
    memcpy(m->s, state, m->bytes);
    m->has_offsets = false;
    for (uint32_t i = 0; i < m->s->cfg.n_vms; i++)
        m->has_offsets = m->has_offsets || m->vms[i].cntvoff_ticks != 0;
    paths_clear(m); /* compiled for the offsets that were */
    snapshot_code_load(m, state + m->bytes);
    return PYEMU_OK;
}
