"""What goes wrong while a new version comes into service, played with real processes.

    python -m local.faults          plays every scenario, prints the table, writes docs/faults.md

`scenarios.py` is the table of what is injected and what must come of it, `injected.py` how.
`play.py` plays one and looks; `stage.py` is the emulated cloud that they are played in,
`traffic.py` the people who use the service meanwhile.
"""
