"""Rules of descriptions: the impossible is refused by name, with what is allowed."""

import math

import pytest

from pyemu.config import (
    MAX_VCPUS,
    VM,
    Host,
    Move,
    Outside,
    Task,
    VCpu,
    check_machine,
    one_of,
    truth,
    whole,
)
from pyemu.errors import ConfigError, PyemuError


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Host(pcpus=0), "host.pcpus"),
        (lambda: Host(pcpus=-1), "host.pcpus"),
        (lambda: Host(pcpus=True), "host.pcpus"),
        (lambda: Host(pcpus=4097), "host.pcpus"),
        (lambda: Host(list_registers=0), "host.list_registers"),
        (lambda: Host(list_registers=17), "host.list_registers"),
        (lambda: Host(gic="v4"), "host.gic"),
        (lambda: Host(vhe=1), "host.vhe"),
        (lambda: Host(cpu_hz=0), "host.cpu_hz"),
        (lambda: Host(cpu_hz=math.nan), "host.cpu_hz"),
        (lambda: Host(tick_hz=-1), "host.tick_hz"),
        (lambda: Host(preempt="none"), "host.preempt"),
        (lambda: Host(halt_poll_ns=-1), "host.halt_poll_ns"),
        (lambda: Host(line_retire_cyc=-1), "host.line_retire_cyc"),
        (lambda: Host(timeslice_cyc=math.nan), "host.timeslice_cyc"),
        (lambda: Host(eoimode1=False, forwarded=True), "host.forwarded"),
        (lambda: Host(tasks=(Task(pcpu=1),)), "task.pcpu"),
        (lambda: VCpu(affinity=()), "vcpu.affinity"),
        (lambda: VCpu(affinity=[-1]), "vcpu.affinity"),
        (lambda: VCpu(weight=0), "vcpu.weight"),
        (lambda: VM(vcpus=0), "vm.vcpus"),
        (lambda: VM(vcpus=()), "vm.vcpus"),
        (lambda: VM(vcpus=(1,)), "vm.vcpus"),
        (lambda: VM(name=""), "vm.name"),
        (lambda: VM(cntvoff_ticks=2**64), "vm.cntvoff_ticks"),
        (lambda: Task(on_ns=0), "task.on_ns"),
        (lambda: Move(at_cyc=-1, vcpu=0, pcpu=0), "move.at_cyc"),
        (lambda: Outside(at_cyc=0, intid=32), "outside.intid"),
        (lambda: Outside(at_cyc=0, level=2), "outside.level"),
    ],
)
def test_impossible_descriptions_are_named(make, field):
    """Each error names its field and carries value and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.field == field
    assert caught.value.allowed
    assert isinstance(caught.value, (ValueError, PyemuError))


def test_a_misspelt_word_gets_a_suggestion():
    """Did-you-mean comes with the list."""
    with pytest.raises(ConfigError, match="did you mean 'voluntary'"):
        Host(preempt="voluntry")


def test_a_changed_host_is_validated_again():
    """with_ goes through the constructor; unknown names are errors."""
    assert Host().with_(pcpus=3).pcpus == 3
    with pytest.raises(ConfigError, match=r"host\.pcpus"):
        Host().with_(pcpus=0)
    with pytest.raises(ConfigError, match="did you mean 'pcpus'"):
        Host().with_(pcpu=2)


def test_whole_floats_count_as_numbers():
    """1e9 from TOML is a whole number, 1.5 is not."""
    assert whole("n", 1e9, 0, 10**10) == 10**9
    with pytest.raises(ConfigError):
        whole("n", 1.5, 0, 10)
    with pytest.raises(ConfigError):
        truth("b", "true")
    with pytest.raises(ConfigError):
        one_of("w", 3, ("a",))


def test_a_machine_has_vms_with_different_names():
    """No VM, or one name twice, is refused."""
    with pytest.raises(ConfigError, match="at least one VM"):
        check_machine(Host(), [], "v3")
    with pytest.raises(ConfigError, match="names 2 VMs"):
        check_machine(Host(), [VM("a"), VM("a")], "v3")


def test_a_gicv2_vm_has_at_most_eight_vcpus():
    """Nine are refused with GICv2 and fine with GICv3."""
    check_machine(Host(), [VM(vcpus=8)], "v2")
    check_machine(Host(), [VM(vcpus=9)], "v3")
    with pytest.raises(ConfigError, match="at most 8 vCPUs"):
        check_machine(Host(), [VM(vcpus=9)], "v2")


def test_a_machine_has_a_bounded_number_of_vcpus():
    """The core's arrays are bounded; so is the description."""
    vms = [VM(f"vm{i}", vcpus=512) for i in range(MAX_VCPUS // 512 + 1)]
    with pytest.raises(ConfigError, match="vCPUs in all"):
        check_machine(Host(), vms, "v3")


def test_affinity_and_outside_interrupts_name_what_exists():
    """A pCPU beyond the host, a VM that is not there."""
    vm = VM(vcpus=(VCpu(affinity=(3,)),))
    with pytest.raises(ConfigError, match="affinity"):
        check_machine(Host(pcpus=2), [vm], "v3")
    host = Host(outside=(Outside(at_cyc=0, vm="wab"),))
    with pytest.raises(ConfigError, match="did you mean 'web'"):
        check_machine(host, [VM("web")], "v3")


def test_scheduler_scale_is_linux_s():
    """1 + log2 of at most eight pCPUs."""
    assert [Host(pcpus=n).cfs_factor for n in (1, 2, 4, 8, 64)] == [1, 2, 3, 4, 4]
