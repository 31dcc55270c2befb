/*
 * The lazy timer flow (docs/semantics.md 4) by hand, for SPIN: one vCPU of two direct
 * timers on one VHE pCPU, every step of entry, exit, sync, block, load and put its own
 * statement, the interrupt handler and time between any two. Abstracted from pyemu's
 * model: one deadline a timer, no costs, no vgic lists, no EOI modes.
 * Asserted at each entry: I3 (HW list register <=> physical active) and I6.
 */
#define T 2
#define LINE(t) (hw_en[t] && hw_due[t])
#define PIRQ ((LINE(0) && !pact[0]) || (LINE(1) && !pact[1]) || (bg && bg_due))
#define HPPI(t) (lr[t] == 1 && !lr_active)
#define lr_active (lr[0] == 2 || lr[1] == 2)

bit g_en[T], g_due[T];      /* what the guest wrote */
bit hw_en[T], hw_due[T];
bit mem_en[T], mem_due[T];
bit level[T], vact[T], vline[T], pact[T];
byte lr[T], image[T];       /* 0 invalid, 1 pending, 2 active */
bit loaded, running, req, irq_off, in_irq, in_guest, pstate_i = 1, iar[T];
bit bg, bg_due, asleep, woken, wake, fire, user, wfi;

inline load()
{
    running = 1;
    vact_to_pact(0); vact_to_pact(1);
    restore()
}
inline vact_to_pact(t) { pact[t] = (level[t] || vact[t]) }
inline restore()
{
    irq_off = 1;
    if
    :: !loaded ->
        hw_due[0] = mem_due[0]; hw_en[0] = mem_en[0];
        hw_due[1] = mem_due[1]; hw_en[1] = mem_en[1];
        loaded = 1
    :: else
    fi;
    irq_off = 0
}
inline save()
{
    irq_off = 1;
    if
    :: loaded ->
        mem_en[0] = hw_en[0]; mem_due[0] = hw_due[0]; hw_en[0] = 0;
        mem_en[1] = hw_en[1]; mem_due[1] = hw_due[1]; hw_en[1] = 0;
        loaded = 0
    :: else
    fi;
    irq_off = 0
}
inline put() { save(); running = 0 }
inline sync(t)
{
    vact[t] = (image[t] == 2);
    image[t] = 0;
    if
    :: level[t] ->
        if
        :: LINE(t) -> pact[t] = 1
        :: else ->
            vline[t] = 0;
            if :: !vact[t] -> pact[t] = 0 :: else fi;
            level[t] = 0
        fi
    :: else
    fi
}
inline flush(t)
{
    if
    :: vact[t] -> image[t] = 2
    :: !vact[t] && vline[t] -> image[t] = 1
    :: else -> image[t] = 0
    fi
}
inline guest(t)
{
    if
    :: atomic { hw_en[t] = 1; g_en[t] = 1 }
    :: atomic { hw_en[t] = 0; g_en[t] = 0 }
    :: atomic { hw_due[t] = 1; g_due[t] = 1 }
    :: atomic { hw_due[t] = 0; g_due[t] = 0 }
    :: atomic { HPPI(t) && pstate_i -> lr[t] = 2; iar[t] = 1 }
    :: atomic { iar[t] -> lr[t] = 0; pact[t] = 0; iar[t] = 0 }
    fi
}

active proctype vcpu() provided (!in_irq)
{
start:
    load();
enter:
    req = 0;
    irq_off = 1;
    flush(0); flush(1);
    if
    :: req -> goto abort
    :: else
    fi;
    lr[0] = image[0];
    lr[1] = image[1];
    assert(!(lr[0] && !pact[0]) && !(lr[1] && !pact[1]));
    assert(hw_en[0] == g_en[0] && hw_due[0] == g_due[0]);
    assert(hw_en[1] == g_en[1] && hw_due[1] == g_due[1]);
    atomic { in_guest = 1; irq_off = 0 };
    do
    :: PIRQ -> break
    :: !PIRQ && !pstate_i && HPPI(0) -> atomic { lr[0] = 2; iar[0] = 1; pstate_i = 1 }
    :: !PIRQ && !pstate_i && HPPI(1) -> atomic { lr[1] = 2; iar[1] = 1; pstate_i = 1 }
    :: !PIRQ && (pstate_i || !(HPPI(0) || HPPI(1))) ->
        if
        :: guest(0)
        :: guest(1)
        :: pstate_i = !pstate_i
        :: break
        :: lr[0] != 1 && lr[1] != 1 -> wfi = 1; break
        :: user = 1; break
        fi
    od;
    atomic { in_guest = 0; irq_off = 1 };
    image[0] = lr[0]; lr[0] = 0;
    image[1] = lr[1]; lr[1] = 0;
abort:
    sync(0); sync(1);
    irq_off = 0;
    if
    :: true -> put(); load()        /* preempted */
    :: true
    fi;
    if
    :: user -> user = 0; put(); goto start
    :: wfi -> wfi = 0
    :: else -> goto enter
    fi;
    save();
    if
    :: mem_en[0] || mem_en[1] ->
        bg_due = (mem_en[0] && mem_due[0]) || (mem_en[1] && mem_due[1]);
        bg = 1
    :: else
    fi;
check:
    woken = 0;
    wake = (vline[0] && !vact[0]) || (vline[1] && !vact[1]);
    if
    :: !wake ->
        wake = (!vact[0] && mem_en[0] && mem_due[0]) ||
               (!vact[1] && mem_en[1] && mem_due[1])
    :: else
    fi;
    if
    :: wake -> restore(); bg = 0; goto enter
    :: else
    fi;
    put();
end_asleep:
    woken -> load();
    save();
    goto check
}

active proctype isr()
{
    byte t;
end_idle:
    do
    :: atomic { PIRQ && !in_irq && !irq_off && !in_guest -> in_irq = 1; irq_off = 1 };
        if
        :: atomic { LINE(0) && !pact[0] -> pact[0] = 1; t = 0 }
        :: atomic { !(LINE(0) && !pact[0]) && LINE(1) && !pact[1] -> pact[1] = 1; t = 1 }
        :: atomic { !(LINE(0) && !pact[0]) && !(LINE(1) && !pact[1]) && bg && bg_due ->
                    bg = 0; woken = 1; t = 2 }
        :: else -> t = 2
        fi;
        if
        :: t < 2 && running ->
            fire = LINE(t);
            if
            :: fire -> vline[t] = 1; req = 1; woken = 1; level[t] = 1
            :: else ->
                if :: !level[t] && !vact[t] -> pact[t] = 0 :: else fi
            fi
        :: else
        fi;
        fire = 0; t = 0;
        atomic { in_irq = 0; irq_off = 0 }
    od
}

/* Time: whatever is to come of one timer has come. */
active proctype clock()
{
end_still:
    do
    :: atomic { !g_due[0] -> g_due[0] = 1;
                hw_due[0] = 1; mem_due[0] = 1;
                if :: bg && mem_en[0] -> bg_due = 1 :: else fi }
    :: atomic { !g_due[1] -> g_due[1] = 1;
                hw_due[1] = 1; mem_due[1] = 1;
                if :: bg && mem_en[1] -> bg_due = 1 :: else fi }
    od
}
