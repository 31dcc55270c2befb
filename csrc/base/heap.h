/*
 * heap.h - intrusive pairing heap over an array of nodes, indices for links.
 * Ties go to the lower node index, so order never depends on history.
 */
#ifndef PYEMU_HEAP_H
#define PYEMU_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct heap_node {
    uint64_t key;
    uint32_t child;
    uint32_t next;   /* sibling */
    uint32_t prev;   /* sibling before, or parent for a first child */
    uint32_t queued; /* 1 while in a heap */
};

void heap_push(struct heap_node *nodes, uint32_t *root, uint32_t n, uint64_t key);
void heap_remove(struct heap_node *nodes, uint32_t *root, uint32_t n);
uint32_t heap_pop(struct heap_node *nodes, uint32_t *root);

#endif
