"""What the Python suites share: processes on loopback, stand-ins and real models.

Everything binds 127.0.0.1, takes a free port from the system, and is waited for by asking it, never by sleeping.
"""
