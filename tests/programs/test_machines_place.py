"""Which process this is: by the options, and by what launchers put into the
environment."""

from __future__ import annotations

import pytest

from jaxcnn.programs.machines.place import PORTS, MachineOptions, Place, find_place
from jaxcnn.programs.options import ConfigError

SLURM = {
    "SLURM_JOB_ID": "1234",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "4",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NODELIST": "gpu[017-018,020]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "2",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "1",
    "OMPI_COMM_WORLD_LOCAL_RANK": "0",
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
}
KUBERNETES = {"JOB_COMPLETION_INDEX": "2"}


def pod():
    return "train-2.svc.default.svc.cluster.local"


def found(options=None, environment=None, own_name=pod):
    return find_place(options or MachineOptions(), environment or {}, own_name)


def test_alone_without_options_and_launcher():
    assert found() is None
    assert found(MachineOptions(processes=1)) is None
    assert found(MachineOptions("a:1", 1, 0)) is None


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("node7:5000", "node7", 5000),
        ("10.0.0.1:1", "10.0.0.1", 1),
        ("[fe80::1]:65535", "fe80::1", 65535),
    ],
)
def test_by_the_options(address, host, port):
    assert found(MachineOptions(address, 4, 3)) == Place(3, 4, host, port)


def test_a_slurm_step():
    place = found(environment=SLURM)
    assert (place.index, place.count, place.host, place.beside) == (3, 4, "gpu017", 1)
    assert place.port in PORTS
    others = [found(environment=SLURM | {"SLURM_PROCID": str(i)}).port for i in range(4)]
    assert set(others) == {place.port}
    assert found(environment=SLURM | {"SLURM_STEP_ID": "1"}).port != place.port
    one_each = found(environment=SLURM | {"SLURM_STEP_TASKS_PER_NODE": "1(x4)"})
    assert one_each.beside is None


@pytest.mark.parametrize(
    "changed",
    [
        {"SLURM_STEP_NUM_TASKS": "1"},  # srun -n1 in a job of several tasks
        {"SLURM_STEP_NUM_TASKS": None, "SLURM_STEP_NODELIST": None},  # the batch script
    ],
)
def test_a_slurm_job_that_did_not_start_several(changed):
    environment = {name: changed.get(name, value) for name, value in SLURM.items()}
    assert found(environment={n: v for n, v in environment.items() if v is not None}) is None


def test_open_mpi_4_says_where_mpirun_runs():
    place = found(environment=OPEN_MPI)
    assert (place.index, place.count, place.host, place.beside) == (2, 4, "10.96.0.1", None)
    six = "1314521088.0;tcp6://[fe80::b9b,2620:10d::2]:43370"
    assert found(environment=OPEN_MPI | {"OMPI_MCA_orte_hnp_uri": six}).host == "fe80::b9b"


def test_open_mpi_5_says_it_on_one_machine_alone():
    environment = {name: OPEN_MPI[name] for name in OPEN_MPI if "uri" not in name}
    with pytest.raises(ConfigError, match=r"needs --coordinator too, which Open MPI does not say"):
        found(environment=environment)
    assert found(MachineOptions("a:5"), environment) == Place(2, 4, "a", 5)
    local = {"OMPI_COMM_WORLD_LOCAL_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "2"}
    place = found(environment=environment | local | {"PMIX_NAMESPACE": "prterun-a-1@1"})
    assert (place.host, place.beside) == ("127.0.0.1", 2)


def test_one_process_of_mpirun_is_alone():
    assert found(environment=OPEN_MPI | {"OMPI_COMM_WORLD_SIZE": "1"}) is None


def test_an_indexed_kubernetes_job_with_a_headless_service():
    place = found(MachineOptions(processes=3), KUBERNETES)
    first = "train-0.svc.default.svc.cluster.local"
    assert (place.index, place.count, place.host, place.beside) == (2, 3, first, None)


def test_pods_without_processes_are_runs_of_their_own():
    assert found(environment=KUBERNETES) is None


def test_pods_without_a_service_need_the_coordinator():
    needed = "needs --coordinator too, which Kubernetes without a headless service does not say"
    with pytest.raises(ConfigError, match=needed):
        found(MachineOptions(processes=3), KUBERNETES, lambda: "train-2")


def test_an_option_overrides_the_launcher():
    assert found(MachineOptions("a:5", 2, 1), SLURM) == Place(1, 2, "a", 5, 1)


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        (MachineOptions(process_id=1), {}, "needs --coordinator and --processes too, got"),
        (MachineOptions("a:1"), {}, "needs --processes and --process-id too, got --coordinator"),
        (MachineOptions(processes=2), {}, "needs --coordinator and --process-id too"),
        (MachineOptions("a:1", 2), {}, "needs --process-id too, got --coordinator and --processes"),
        (MachineOptions("a:1", 0, 0), {}, "--processes must be at least 1, got 0"),
        (MachineOptions("a:1", 10**6, 0), {}, "--processes must be at most 100,000, got 1000000"),
        (MachineOptions("a:1", 2, 2), {}, "--process-id must be from 0 to 1, with 2 .* got 2"),
        (MachineOptions("a:1", 2, -1), {}, "--process-id must be from 0 to 1, .* got -1"),
        (MachineOptions("a:1", 1, 1), {}, "--process-id must be from 0 to 0, .* got 1"),
        (MachineOptions("node7", 2, 1), {}, "--coordinator must be HOST:PORT .*, got node7"),
        (MachineOptions("a:0", 2, 1), {}, "--coordinator must be HOST:PORT .*, got a:0"),
        (MachineOptions("a:65536", 2, 1), {}, "--coordinator must be .*, got a:65536"),
        (MachineOptions("http://a:80", 2, 1), {}, "--coordinator must be .*, got http://a:80"),
        (MachineOptions("::1:80", 2, 1), {}, "--coordinator must be .*, got ::1:80"),
        (None, SLURM | {"SLURM_PROCID": "two"}, "SLURM_PROCID must be a number, .* got two"),
        (None, OPEN_MPI | {"OMPI_COMM_WORLD_RANK": "-1"}, "OMPI_COMM_WORLD_RANK must be a number"),
    ],
)  # fmt: skip
def test_half_of_it_or_nonsense_is_refused(options, environment, message):
    with pytest.raises(ConfigError, match=message):
        found(options, environment)
