"""Runs a script of ../shared/tools/faults against today's server: fault_harness.py FOLDER SCRIPT [ARGUMENT…]

FOLDER is a copy of that folder with its C libraries built in it; SCRIPT is power_loss or fault_sweep. What has changed
since those scripts were written is said here: ids are of version 4 or 7, a start and an end are events of their own,
and what a command belongs to stands in an event's body.
"""
import sys, uuid

folder, script, *arguments = sys.argv[1:]
sys.path.insert(0, folder)
import rig

named, read = rig.identifier, rig.read_log


def identifier(*words):
    return str(uuid.UUID(int=uuid.UUID(named(*words)).int, version=4))


def read_log(connection, start=1, through=None):
    records = read(connection, start, through)
    for record in records:
        correlation = (record.get("body") or {}).get("correlation")
        if correlation is not None:
            record["header"].setdefault("correlation", correlation)
    # The event of the start that let these be read, and of those before it that did nothing else.
    while records and records[-1]["header"]["event"].startswith(("installation.", "clock.doubted")):
        records.pop()
    return records


rig.identifier, rig.read_log = identifier, read_log
module = __import__(script)
import fault_sweep

old = fault_sweep.SCRIPTS["old"]


def old_script():
    """A log of 250 days ago takes somebody to say that the clock is right before anything is swept."""
    steps = old()
    place = next(at for at, (method, _) in enumerate(steps) if method == "retention.sweep")
    return steps[:place] + [fault_sweep.step("clock", "clock.confirm", reason="it is")] + steps[place:]


fault_sweep.SCRIPTS["old"] = old_script
sys.argv = [script, *arguments]
module.main()
