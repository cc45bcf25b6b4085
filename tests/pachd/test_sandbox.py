"""The sandbox: what user code finds, what becomes of what it leaves, and what happens when it misbehaves."""

import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from workshop.pachd import runner

ALLOWED = runner.probe()
MODES = runner.MODES[runner.MODES.index(ALLOWED.mode) :]


class Bench:
    """One sandbox, one job at a time; the packs are plain files in a folder."""

    def __init__(self, folder: Path, mode: str, code=None, **more):
        self.packs = folder / "packs"
        self.packs.mkdir()
        self.input_pack = (self.packs / "00000001.pack").open("ab")
        place = runner.Place(folder / "worker", self.packs, code or {})
        self.sandbox = runner.Sandbox(place, 2, [mode], **more)
        self.sandbox.wait_for("ready")
        self.fix = runner.paths_replacer(self.sandbox)
        self.rows = {}
        self.events = []
        self.jobs = 0

    def stored(self, content: bytes):
        offset = self.input_pack.seek(0, os.SEEK_END)
        self.input_pack.write(content)
        self.input_pack.flush()
        return [(1, offset, len(content))] if content else []

    def inputs(self, **named):
        """{name: {path: content}} as the sandbox wants it."""
        out = []
        for name, files in named.items():
            flags = files.pop("flags", 0)
            listed = [(path, len(content), self.stored(content.encode())) for path, content in files.items()]
            out.append((name, flags, listed))
        return out

    def start(self, script, env=None, inputs=(), index=0, **settings):
        self.jobs += 1
        command = settings.pop("cmd", None) or ["/bin/sh", "-c", self.fix(script)]
        base = {"PATH": os.environ["PATH"], "HOME": "/"}
        self.sandbox.send(("job", self.jobs, {"cmd": command, "env": base, "tries": 1, **settings}))
        self.sandbox.send(("datums", self.jobs, [(index, env or {}, list(inputs))], False))
        return self.jobs

    def until(self, kind, limit=20):
        found = self.sandbox.wait_for(kind, limit)
        for event in found:
            if event[0] == "rows":
                self.rows.update({row[0]: row[1:] for row in event[1]})
        self.events += found
        return next(event for event in found if event[0] == kind)

    def run(self, script, **settings):
        limit = settings.pop("limit", 20)
        self.events = []
        self.start(script, **settings)
        return Outcome(self, self.until("done", limit))

    def content(self, chunks):
        if isinstance(chunks, str):
            return f"-> {chunks}"
        data = b""
        for chunk in chunks:
            pack, offset, length = self.rows[chunk][:3]
            with open(self.packs / f"{pack:08d}.pack", "rb") as handle:
                data += os.pread(handle.fileno(), length, offset)
        return data.decode("utf-8", "replace")


class Outcome:
    def __init__(self, bench, done):
        _, _, _, self.state, self.tries, self.reason, self.bytes_in, self.bytes_out, *_, files = done
        streamed = [f for e in bench.events if e[0] == "files" and e[3] == self.tries for f in e[4]]
        self.files = {path: bench.content(chunks) for path, _, chunks in streamed + files}
        self.log = [line.decode("utf-8", "replace") for e in bench.events if e[0] == "log" for line in e[4]]


@pytest.fixture(params=MODES)
def bench(tmp_path, request):
    made = Bench(tmp_path, request.param)
    yield made
    made.sandbox.close()


@pytest.fixture
def best(tmp_path):
    made = Bench(tmp_path, ALLOWED.mode)
    yield made
    made.sandbox.close()


def processes_with(word):
    """Command lines of living processes of this machine that hold a word."""
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        try:
            text = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if name.isdigit() and word in text and state != "Z" and int(name) != os.getpid():
            found.append(text)
    return found


def gone(word, limit=5):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if not processes_with(word):
            return True
        time.sleep(0.01)
    return False


# ------------------------------------------------------------------ what user code finds


def test_inputs_lie_at_their_paths_and_outputs_come_back(bench):
    inputs = bench.inputs(data={"/d/a": "1", "/d/sub/b": "22"}, model={"/m": "x" * 3_000_000})
    script = "cp -r /pfs/data/. /pfs/out/; wc -c < /pfs/model/m > /pfs/out/size; mkdir -p /pfs/out/empty"
    out = bench.run(script, inputs=inputs)
    assert (out.state, out.reason, out.log) == ("success", "", [])
    assert {p: c.strip() for p, c in out.files.items()} == {"/d/a": "1", "/d/sub/b": "22", "/size": "3000000"}
    assert (out.bytes_in, out.bytes_out) == (3_000_003, 1 + 2 + 8)


def test_pfs_holds_links_to_the_inputs_and_nothing_of_the_datum_before(bench):
    look = "ls -A /pfs | grep -v scratch | LC_ALL=C sort; test -L /pfs/data && test -L /pfs/out; ls /pfs/out | wc -l"
    first = bench.run(
        look + "; touch /pfs/else; mkdir /pfs/more; touch /pfs/data/new /pfs/out/x; rm /pfs/out",
        inputs=bench.inputs(data={"/a": "1"}, other={"/z": "1"}),
    )
    second = bench.run(look + "; ls /pfs/data", inputs=bench.inputs(data={"/b": "1"}))
    assert first.log == [".env", "data", "other", "out", "0"] and list(first.files) == ["/x"]
    assert second.log == [".env", "data", "out", "0", "b"] and second.files == {}


def test_the_datum_s_variables_are_set_and_written_to_the_env_file(best):
    env = {"data": "/pfs/data/a", "MINE": "two\nlines"}
    settings = {"env": env, "late_env": {"PACH_JOB_ID": "j"}}
    out = best.run('echo "$data $PACH_JOB_ID"; cut -d= -f1 /pfs/.env | grep -v "^lines"', **settings)
    assert out.log == ["/pfs/data/a j", "PATH", "HOME", "PPS_WORKER_GRPC_PORT", "data", "MINE", "PACH_JOB_ID"]


def test_standard_input_is_what_the_spec_says_and_else_empty(bench):
    assert bench.run("", cmd=["sh"], stdin=b"echo one\necho two\n").log == ["one", "two"]
    assert bench.run("cat; echo end").log == ["end"]
    assert bench.run("true", stdin=b"x" * 300_000).state == "success"


def test_a_changed_input_does_not_change_the_pack(best):
    inputs = best.inputs(data={"/a": "old", "/d/b": "2"})
    assert best.run("echo new > /pfs/data/a; rm -r /pfs/data/d", inputs=inputs).state == "success"
    assert best.run("cat /pfs/data/a /pfs/data/d/b", inputs=inputs).log == ["old2"]


def test_the_working_directory_is_the_root_unless_the_spec_says_otherwise(best):
    assert best.run("pwd").log == [os.getcwd() if best.sandbox.mode == "paths" else "/"]
    assert best.run("pwd", working_dir="/usr/lib").log == ["/usr/lib"]
    assert best.run("pwd", working_dir="/not/there").reason == "chdir /not/there: no such file or directory"


def test_code_is_where_the_image_has_it(tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "hello.py").write_text("import sibling")
    (code / "sibling.py").write_text("print('from a sibling')")
    for mode in MODES:
        folder = tmp_path / mode
        folder.mkdir()
        bench = Bench(folder, mode, {"/code": code})
        out = bench.run("", cmd=[sys.executable, bench.fix("/code/hello.py")])
        bench.sandbox.close()
        assert out.log == ["from a sibling"], mode
    assert not (code / "__pycache__").exists() or "paths" in MODES


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_user_code_runs_as_the_account_of_the_spec(tmp_path):
    tmp_path.chmod(0o755)
    bench = Bench(tmp_path, "processes" if ALLOWED.mode == "processes" else "paths", open_to_all=True)
    inputs = bench.inputs(data={"/a": "1"})
    out = bench.run("id -u > /pfs/out/id; id -g >> /pfs/out/id; cat /pfs/data/a", inputs=inputs, account=(65534, 65534))
    bench.sandbox.close()
    if ALLOWED.mode != "paths":
        assert (out.files, out.log) == ({"/id": "65534\n65534\n"}, ["1"])


# ------------------------------------------------------------------ how a run ends


def test_an_exit_code_fails_the_datum_unless_it_is_accepted(bench):
    assert bench.run("exit 3").reason == "exit status 3"
    assert bench.run("echo x > /pfs/out/x; exit 3", accept=[3]).files == {"/x": "x\n"}
    assert bench.run("kill -9 $$").reason == "signal: killed"
    assert bench.run("kill -15 $$").reason == "signal: terminated"


def test_a_program_that_is_not_there_fails_the_datum_with_its_name(bench):
    assert (
        bench.run("", cmd=["no-such-program"]).reason == 'exec: "no-such-program": executable file not found in $PATH'
    )
    assert bench.run("", cmd=["/no/such"]).reason == "fork/exec /no/such: no such file or directory"


def test_every_try_starts_afresh_and_the_last_one_counts(best, tmp_path):
    mark = tmp_path / "mark"
    second = "echo 2 > /pfs/out/second"
    script = f"ls /pfs/out; if test -e {mark}; then {second}; else touch {mark}; echo 1 > /pfs/out/f; exit 1; fi"
    out = best.run(script, tries=3)
    assert (out.state, out.tries, out.files, out.log) == ("success", 2, {"/second": "2\n"}, [])


def test_an_input_can_be_renamed_and_linked_to_an_output_in_a_second_try_at_the_latest(best):
    code = "import os; os.rename('/pfs/in/a', '/pfs/out/a'); os.link('/pfs/in/b', '/pfs/out/b')"
    for number in range(3):
        inputs = best.inputs(**{"in": {"/a": f"one {number}", "/b": "two"}})
        done = best.run("", cmd=[sys.executable, "-c", best.fix(code)], inputs=inputs, tries=2)
        assert (done.state, done.files) == ("success", {"/a": f"one {number}", "/b": "two"}), done.log


def test_a_handler_that_succeeds_once_recovers_the_datum_and_all_tries_are_used(best):
    out = best.run("echo tried; echo x > /pfs/out/x; exit 1", tries=3, err_cmd=["sh", "-c", "echo handled"])
    assert (out.state, sorted(out.log)) == ("recovered", ["handled"] * 3 + ["tried"] * 3)
    assert out.files == {"/x": "x\n"}, "what the last try left is for the meta repo"
    assert best.run("exit 1", tries=2, err_cmd=["false"]).state == "failed"


def test_a_datum_over_its_time_is_killed_and_fails(bench):
    begun = time.monotonic()
    out = bench.run("trap '' TERM INT; sleep 31.25 & sleep 31.25", timeout=0.3)
    assert out.state == "failed" and "datum timeout of 0.3 seconds" in out.reason
    assert time.monotonic() - begun < 10 and gone("sleep 31.25")


def test_children_and_daemons_end_with_the_command_that_started_them(bench):
    twice = "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(77.125)"
    daemon = f"{sys.executable} -c '{twice}'"
    out = bench.run(f"sleep 77.25 & setsid sleep 77.375 & {daemon}; echo done > /pfs/out/x")
    assert out.files == {"/x": "done\n"}
    assert gone("77.25") and gone("77.375") and gone("77.125")


def test_a_job_is_stopped_while_it_runs_and_the_sandbox_goes_on(bench):
    key = bench.start("echo begun; sleep 66.5")
    assert bench.until("log")[4] == [b"begun"]
    bench.sandbox.send(("stop", key))
    assert bench.until("stopped")[1] == key
    assert gone("sleep 66.5")
    assert bench.run("echo next").log == ["next"]


@pytest.mark.parametrize(("tries", "state"), [(1, "failed"), (2, "success")])
def test_a_datum_that_is_restarted_has_used_up_a_try_which_no_handler_recovers(best, tmp_path, tries, state):
    mark = tmp_path / "mark"
    script = f"test -e {mark} && exit 0; touch {mark}; echo begun; sleep 60"
    key = best.start(script, tries=tries, err_cmd=["true"])
    best.until("log")
    best.sandbox.send(("restart", key, 0))
    done = best.until("done")
    assert (done[3], done[5]) == (state, "" if state == "success" else "signal: killed")


@pytest.mark.parametrize("victim", ["close", "kill"])
def test_user_code_ends_with_its_sandbox(tmp_path, victim):
    for mode in MODES if victim == "close" else [ALLOWED.mode]:
        folder = tmp_path / mode
        folder.mkdir()
        bench = Bench(folder, mode)
        bench.start("setsid sleep 55.5 & echo begun; sleep 55.5")
        bench.until("log")
        assert processes_with("sleep 55.5")
        getattr(bench.sandbox, victim)()
        if victim == "kill" and mode != "processes":
            pytest.skip("without a process namespace nothing can end user code when its sandbox is killed outright")
        assert gone("sleep 55.5"), mode


def test_the_sandbox_itself_can_be_killed_from_outside(best):
    """Somebody kills the inner process: the daemon is told, nothing lives on."""
    inner = [int(p) for p in os.listdir("/proc") if p.isdigit() and _parent(p) == best.sandbox.pid]
    best.start("echo begun; sleep 44.5")
    best.until("log")
    os.kill(inner[0] if inner else best.sandbox.pid, signal.SIGKILL)
    with pytest.raises(runner.SandboxLost):
        best.until("done")
    assert gone("sleep 44.5") or ALLOWED.mode != "processes"


def _parent(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


# ------------------------------------------------------------------ what becomes of the output


def test_links_stand_for_what_they_lead_to(best, tmp_path):
    outside = tmp_path / "outside"
    (outside / "d").mkdir(parents=True)
    (outside / "d" / "f").write_text("deep")
    inputs = best.inputs(data={"/a": "1", "/d/b": "2"})
    links = (("/pfs/data/a", "file"), ("/pfs/data", "all"), (outside, "far"), ("../data/d", "near"))
    script = "; ".join(f"ln -s {target} /pfs/out/{name}" for target, name in links)
    out = best.run(script, inputs=inputs)
    assert out.files == {"/file": "1", "/all/a": "1", "/all/d/b": "2", "/far/d/f": "deep", "/near/b": "2"}


def test_links_to_empty_files_stand_for_the_real_content(best):
    inputs = best.inputs(data={"/k/a": "1", "/k/b": "2", "flags": 1})
    out = best.run(
        "wc -c < /pfs/data/k/a; ln -s /pfs/data/k/a /pfs/out/x; ln -s /pfs/data/k /pfs/out/all", inputs=inputs
    )
    assert [line.strip() for line in out.log] == ["0"]
    assert out.files == {"/x": "-> /k/a", "/all/a": "-> /k/a", "/all/b": "-> /k/b"}


def test_lazy_inputs_are_pipes_that_flow_when_they_are_opened_and_only_then(bench):
    big = "0123456789abcdef" * 40_000
    inputs = bench.inputs(data={"/a": "one", "/d/b": big, "/d/c": "never read", "/e": "", "flags": 2})
    script = (
        "test -p /pfs/data/a && test -p /pfs/data/d/c && echo pipes; cat /pfs/data/d/b > /pfs/out/b; "
        "cat /pfs/data/a /pfs/data/e > /pfs/out/a; ln -s /pfs/data/d /pfs/out/linked"
    )
    out = bench.run(script, inputs=inputs)
    assert (out.state, out.log) == ("success", ["pipes"]), out.reason
    assert out.files == {"/a": "one", "/b": big, "/linked/b": "-> /d/b", "/linked/c": "-> /d/c"}
    assert out.bytes_in == 3 + len(big), "what nobody opened is not counted"
    assert bench.run("ls /pfs", inputs=bench.inputs(data={"/a": "plain"})).state == "success"


def test_two_lazy_inputs_are_read_at_once_in_any_order_and_given_up_half_way(best):
    texts = {f"/{name}": name * 300_000 for name in "abc"}
    inputs = best.inputs(data={**texts, "flags": 2})
    code = (
        "import os\n"
        "a, b = (open('/pfs/data/' + name) for name in 'ab')\n"
        "open('/pfs/out/b', 'w').write(b.read())\n"
        "open('/pfs/out/a', 'w').write(a.read())\n"
        "open('/pfs/data/c').read(10)\n"
        "os.remove('/pfs/data/a')\n"
    )
    out = best.run("", cmd=[sys.executable, "-c", code], inputs=inputs)
    assert out.state == "success" and out.files == {"/a": texts["/a"], "/b": texts["/b"]}


def test_a_lazy_file_that_is_read_twice_waits_until_the_datum_s_time_is_over(best):
    inputs = best.inputs(data={"/a": "one", "flags": 2})
    out = best.run("cat /pfs/data/a; cat /pfs/data/a", inputs=inputs, timeout=1.0, tries=2)
    assert out.state == "failed" and out.log.count("one") == 2, "each try has a fresh pipe"
    assert best.run("cat /pfs/data/a", inputs=inputs).state == "success"


@pytest.mark.parametrize(
    "script, reason",
    [
        (
            "touch '/pfs/out/star*'",
            "its name cannot be represented in PFS: path (star*) invalid: globbing character (*)",
        ),
        ("touch /pfs/out/$(printf '\\303\\251')", "only printable ASCII characters allowed"),
        ("ln -s /nowhere /pfs/out/x", "stat /nowhere: no such file or directory"),
        ("ln -s loop /pfs/out/loop", "too many levels of symbolic links"),
        ("touch /pfs/out/a; ln -s a /pfs/out/b", 'could not find input "out"'),
        ("ln -s /dev/zero /pfs/out/zero", "which is not a file"),
    ],
)
def test_output_that_cannot_be_kept_fails_the_datum_with_the_reason(best, script, reason):
    out = best.run(script)
    assert out.state == "failed" and reason in out.reason and out.files == {}
    assert any(reason in line for line in out.log)
    assert best.run("touch /pfs/out/good").files == {"/good": ""}


def test_sockets_and_devices_fail_and_named_pipes_are_passed_over(best):
    make = "import socket; socket.socket(socket.AF_UNIX).bind('s')"
    assert best.run(f'cd /pfs/out && {sys.executable} -c "{make}"').reason == "archive/tar: sockets not supported"
    assert best.run("mkfifo /pfs/out/pipe; echo x > /pfs/out/x").files == {"/x": "x\n"}
    if os.geteuid() == 0:
        out = best.run("mknod /pfs/out/null c 1 3")
        assert "a device, not a file" in out.reason


def test_rights_taken_away_do_not_hide_files(best):
    out = best.run(
        "mkdir /pfs/out/d; echo 1 > /pfs/out/d/x; echo 2 > /pfs/out/y; chmod 000 /pfs/out/y /pfs/out/d/x /pfs/out/d"
    )
    assert out.files == {"/d/x": "1\n", "/y": "2\n"}
    assert best.run("ls /pfs/out | wc -l").log[0].strip() == "0"


def test_a_removed_output_folder_comes_back_for_the_next_datum(best):
    assert best.run("rm -rf /pfs/out; rm -rf /pfs/.scratch/datum/out").files == {}
    assert best.run("rm -rf /pfs/out; echo x > /pfs/out").files == {}
    assert best.run("rm -rf /pfs/.scratch /pfs/data; true").files == {}
    assert best.run("echo x > /pfs/out/x").files == {"/x": "x\n"}


SPOILERS = (
    "rm -rf /pfs/.scratch/datum/* /pfs/.scratch/datum/.env",
    "rm /pfs/data; mkdir /pfs/data; echo wrong > /pfs/data/b",
    "d=$(cd -P /pfs/data; pwd); rm -rf $d; ln -s / $d",
    "d=$(cd -P /pfs/data; pwd); rm -rf $d; echo wrong > $d",
    "d=$(cd -P /pfs/data; pwd); echo wrong > $d/more; mkdir $d/b; touch $d/../else",
    "rm /pfs/.scratch/datum/.env; mkdir -p /pfs/.scratch/datum/.env/d",
    "rm /pfs/.scratch/datum/.env; echo wrong=1 > /pfs/.scratch/datum/.env; chmod 0 /pfs/.scratch/datum/.env",
    "rm -f $(realpath /pfs/.env); ln -s /nowhere $(realpath -m /pfs/.env)",
    "rm -rf /.pfs/* /.pfs/.env /pfs/*",
    "for n in $(seq 100); do echo wrong=$n >> /pfs/.env; done; rm /pfs/data/c; touch /pfs/data/new",
    "mkdir -p /pfs/out/d/e; touch /pfs/out/d/e/f /pfs/out/a; ln -s a /pfs/out/link; chmod 0 /pfs/out/d",
)


@pytest.mark.parametrize("script", SPOILERS)
def test_whatever_user_code_makes_of_pfs_the_next_datum_finds_its_own(bench, script):
    """After datums that left everything in order for a while, so that what is known of the directories is trusted."""
    for name in ("a", "b"):
        bench.run("sleep 0.03", inputs=bench.inputs(data={f"/{name}": name}))
    bench.run(script, inputs=bench.inputs(data={"/c": "c"}))
    assert Path("/nowhere").exists() is False
    variables = "grep -Ev '^(PATH|PPS_WORKER_GRPC_PORT)=' .env"
    look = f"ls -A | grep -v scratch | LC_ALL=C sort; {variables}; find -L data out | LC_ALL=C sort; cat data/d"
    out = bench.run(f"cd /pfs; {look}", env={"MINE": "1"}, inputs=bench.inputs(data={"/d": "d"}))
    assert out.log == [".env", "data", "out", "HOME=/", "MINE=1", "data", "data/d", "out", "d"], out.reason


def test_what_a_folder_of_an_input_was_made_to_lead_to_stays(best, tmp_path):
    (tmp_path / "f").write_text("mine")
    spoil = f"rm -r /pfs/data/sub; ln -s {tmp_path} /pfs/data/sub"
    for script in ("sleep 0.03", "sleep 0.03", spoil, "cat /pfs/data/sub/f"):
        out = best.run(script, inputs=best.inputs(data={"/sub/f": "its own"}))
    assert out.log == ["its own"] and (tmp_path / "f").read_text() == "mine"


def test_large_inputs_lie_on_the_disk_and_small_ones_where_they_cost_least(best):
    where = "cat /pfs/data/x | wc -c; ls /pfs/data; cd -P /pfs/data; df --output=fstype . | tail -1"
    sizes = (10, 3_000_000, 10)
    found = [best.run(where, inputs=best.inputs(data={"/x": "x" * size, f"/{size}": ""})).log for size in sizes]
    assert [int(log[0]) for log in found] == list(sizes) and [log[1] for log in found] == [str(size) for size in sizes]
    if ALLOWED.mode != "paths":
        assert [log[-1] == "tmpfs" for log in found] == [True, False, True]


def test_very_deep_and_very_many_outputs_are_collected_and_cleaned_up(best):
    lines = ("import os; os.chdir('/pfs/out')", "for n in range(300):", "  os.mkdir('d'); os.chdir('d')")
    deep = "\n".join((*lines, "open('f', 'w').write('x')"))
    assert best.run("", cmd=[sys.executable, "-c", best.fix(deep)]).files == {"/d" * 300 + "/f": "x"}
    deeper = deep.replace("300", "5000")
    assert best.run("", cmd=[sys.executable, "-c", best.fix(deeper)], limit=120).state == "failed"
    many = "for n in range(5000):\n  open(f'/pfs/out/{n}', 'w').write(str(n))"
    out = best.run("", cmd=[sys.executable, "-c", best.fix(many)])
    assert len(out.files) == 5000 and out.files["/4999"] == "4999"
    assert best.run("ls /pfs/out | wc -l").log[0].strip() == "0"


# ------------------------------------------------------------------ logs


def test_log_lines_are_kept_as_they_were_printed(best):
    code = r"import sys; sys.stdout.buffer.write(b'plain\n\n  blanks  \n\xff\n' + b'x' * 5000 + b'\ncr\rlf\r\nno end')"
    out = best.run("", cmd=[sys.executable, "-c", code])
    assert out.log == ["plain", "", "  blanks  ", "�", "x" * 5000, "cr\rlf\r", "no end"]


def test_gigabytes_of_output_are_bounded_and_their_end_is_kept(best):
    out = best.run("yes | head -c 300000000; echo; echo the traceback", limit=60)
    assert out.state == "success" and out.log[-1] == "the traceback"
    assert sum(map(len, out.log)) < 5_000_000
    assert any("bytes of output are left out here" in line for line in out.log)


def test_a_line_without_end_is_cut_not_collected(best):
    out = best.run("head -c 3000000 /dev/zero | tr '\\0' x")
    assert max(map(len, out.log)) <= 64 << 10 and sum(map(len, out.log)) == 3_000_000


def test_what_a_long_run_prints_arrives_while_it_runs(best):
    key = best.start("echo begun; sleep 50")
    assert best.until("log", 3)[4] == [b"begun"]
    best.sandbox.send(("stop", key))
    best.until("stopped")


# ------------------------------------------------------------------ datum batching

LOOP = """
import os, sys
from python_pachyderm import Client
worker = Client().worker
print("imported once", flush=True)
while True:
    with worker.batch_datum():
        print("took", os.environ["data"], flush=True)
        if os.environ["data"] == "bad":
            raise ValueError("no good")
        if os.environ["data"] == "end":
            os._exit(0)
        open("/pfs/out/" + os.environ["data"], "w").write(os.environ["PACH_DATUM_ID"])
"""


@pytest.mark.skipif(ALLOWED.mode == "paths", reason="the client reads /pfs/.env")
def test_batched_datums_are_handed_to_one_process(tmp_path):
    bench = Bench(tmp_path, ALLOWED.mode, batching=True)
    env = {"PATH": os.environ["PATH"], "PACH_IN_WORKER": "true", "PPS_WORKER_GRPC_PORT": str(bench.sandbox.port)}
    env["PEER_PORT"] = "1"
    settings = {"cmd": [sys.executable, "-c", LOOP], "env": env, "tries": 1, "batching": True}
    bench.sandbox.send(("job", "b", settings))
    names = ["one", "two", "bad", "three", "end", "four"]
    datums = [(i, {"data": name, "PACH_DATUM_ID": f"id-{name}"}, []) for i, name in enumerate(names)]
    bench.sandbox.send(("datums", "b", datums, False))
    states = {}
    while len(states) < len(names):
        bench.until("done", 60)
        states = {e[2]: (e[3], e[5], [p for p, _, _ in e[11]]) for e in bench.events if e[0] == "done"}
    bench.sandbox.close()
    log = [line.decode() for e in bench.events if e[0] == "log" for line in e[4]]
    assert [states[i][0] for i in range(6)] == ["success", "success", "failed", "success", "failed", "success"]
    assert states[0][2] == ["/one"] and "no good" in states[2][1] and states[4][1] == "user code exited prematurely"
    assert log.count("imported once") == 3  # at the start, after the failure, after the exit


def test_next_datum_is_refused_without_batching(best):
    sock = socket.create_connection(("127.0.0.1", best.sandbox.port), 5)
    sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    sock.sendall(bytes([0, 0, 5, 0, 1, 0, 0, 0, 1]) + b"\0\0\0\0\0")
    best.run("sleep 0.2")
    answer = sock.recv(4096)
    sock.close()
    assert b"datum batching not enabled" in answer


def test_rubbish_on_the_batching_port_does_no_harm(best):
    for rubbish in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3, os.urandom(4096), b""):
        sock = socket.create_connection(("127.0.0.1", best.sandbox.port), 5)
        sock.sendall(rubbish)
        sock.close()
        assert best.run("echo fine").log == ["fine"]


# ------------------------------------------------------------------ without private mounts


@pytest.mark.parametrize(
    "text, expected",
    [
        ("cp /pfs/in/a /pfs/out/", "cp /W/in/a /W/out/"),
        ("--data=/pfs/in:/pfs", "--data=/W/in:/W"),
        ("/pfsx /a/pfs my-/pfs /pfs.d /pfs", "/pfsx /a/pfs my-/pfs /pfs.d /W"),
        ("python3 /code/train.py '/pfs/x'", "python3 /C/train.py '/W/x'"),
    ],
)
def test_only_whole_paths_are_replaced(text, expected):
    assert runner.replace_places(text, {"/pfs": "/W", "/code": "/C"}) == expected


def test_the_probe_says_what_this_machine_allows():
    assert ALLOWED.mode in runner.MODES
    assert runner.probe(["paths"]).describe().startswith("no private mounts")
    assert shutil.which("sh") is not None
