"""The reference model: the machine of docs/semantics.md as one reads it.

Plain, slow, obvious Python. It is written from sections 1 to 5 and from the meaning of
operations and primitives as csrc/pyemu_api.h words it; it imports nothing of pyemu and
shares no constant with it. Numbers that are data (costs, programs, policy tables)
arrive in a `Setup`.

How independent it is: kernel flows, vgic and hardware rules are the specification's.
When time is noticed (between which steps, before or after an effect) and what the text
leaves open was settled by watching the core's traces, and in a few places, listed in
docs/core-findings.md, after reading its source to repair it. There it is a second
implementation, not a second opinion.

Where to look: `counter` `timer` `gic` `vcpuif` are hardware (1, 2.1, 2.3); `vgic`
`inject` `prims` are the kernel's parts (2.4); `eager` `lazy` `table` are policies
(3, 4, 5), `switch` what surrounds them; `runloop` `block` `handle` are the vCPU thread
(3.1, 3.6, 4.2, 4.8); `guest` the op programs; `pcpu` `sched` `thread` `machine` the
host (2.2, 2.5).
"""
