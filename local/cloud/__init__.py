"""The cloud on this machine: AWS emulated on 127.0.0.1, with our real processes in it."""
