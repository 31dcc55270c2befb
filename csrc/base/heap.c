/* heap.c - pairing heap; every loop ends because links form a tree. */
#include "base/heap.h"

#include "base/bits.h"

static bool before(const struct heap_node *nodes, uint32_t a, uint32_t b)
{
    if (nodes[a].key != nodes[b].key)
        return nodes[a].key < nodes[b].key;
    return a < b;
}

/* Joins two trees; the root's own prev and next are the caller's to set. */
static uint32_t meld(struct heap_node *nodes, uint32_t a, uint32_t b)
{
    if (a == PYEMU_NONE)
        return b;
    if (b == PYEMU_NONE)
        return a;
    if (!before(nodes, a, b)) {
        const uint32_t t = a;

        a = b;
        b = t;
    }
    nodes[b].next = nodes[a].child;
    nodes[b].prev = a;
    if (nodes[a].child != PYEMU_NONE)
        nodes[nodes[a].child].prev = b;
    nodes[a].child = b;
    nodes[a].next = PYEMU_NONE;
    nodes[a].prev = PYEMU_NONE;
    return a;
}

/* Two-pass pairing of a list of siblings into one tree. */
static uint32_t meld_siblings(struct heap_node *nodes, uint32_t first)
{
    uint32_t stack = PYEMU_NONE;

    while (first != PYEMU_NONE) {
        const uint32_t a = first;
        const uint32_t b = nodes[a].next;

        first = b == PYEMU_NONE ? PYEMU_NONE : nodes[b].next;
        nodes[a].next = PYEMU_NONE;
        if (b != PYEMU_NONE)
            nodes[b].next = PYEMU_NONE;
        const uint32_t pair = meld(nodes, a, b);

        nodes[pair].next = stack;
        stack = pair;
    }

    uint32_t root = PYEMU_NONE;

    while (stack != PYEMU_NONE) {
        const uint32_t next = nodes[stack].next;

        nodes[stack].next = PYEMU_NONE;
        root = meld(nodes, root, stack);
        stack = next;
    }
    return root;
}

void heap_push(struct heap_node *nodes, uint32_t *root, uint32_t n, uint64_t key)
{
    nodes[n].key = key;
    nodes[n].child = PYEMU_NONE;
    nodes[n].next = PYEMU_NONE;
    nodes[n].prev = PYEMU_NONE;
    nodes[n].queued = 1;
    *root = meld(nodes, *root, n);
}

uint32_t heap_pop(struct heap_node *nodes, uint32_t *root)
{
    const uint32_t n = *root;

    *root = meld_siblings(nodes, nodes[n].child);
    if (*root != PYEMU_NONE)
        nodes[*root].prev = PYEMU_NONE;
    nodes[n].queued = 0;
    return n;
}

void heap_remove(struct heap_node *nodes, uint32_t *root, uint32_t n)
{
    if (*root == n) {
        (void)heap_pop(nodes, root);
        return;
    }
    const uint32_t prev = nodes[n].prev;

    if (nodes[prev].child == n)
        nodes[prev].child = nodes[n].next;
    else
        nodes[prev].next = nodes[n].next;
    if (nodes[n].next != PYEMU_NONE)
        nodes[nodes[n].next].prev = prev;

    const uint32_t sub = meld_siblings(nodes, nodes[n].child);

    nodes[n].queued = 0;
    *root = meld(nodes, *root, sub);
    nodes[*root].prev = PYEMU_NONE;
}
